"""What a K3s server and its agents are told. No K3s runs here; systemd looks at the units."""

from __future__ import annotations

import hashlib
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge_lab.artifacts import Artifact, Want, host_arch
from edge_lab.core.errors import InputError
from edge_lab.pki import CLUSTER, Pki
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Capability, Stack, StackContext, get_stack, stack_names
from edge_lab.stacks.k3s import TLS, K3s
from edge_lab.stacks.k3s_agent import ENVIRONMENT, K3sAgent
from edge_lab.stacks.k3s_node import CONFIG, KUBELET_DROP_IN, agent_token, secret
from edge_lab.stacks.kubelet import Kubelet
from edge_lab.stacks.kubernetes import Kubernetes
from edge_lab.stacks.unit import Service
from edge_lab.topology import Arch, Taint, Timing, Topology, load_topology
from tests.keys import keys_made_once, make_keys
from tests.stacks.provisions import DEFAULT, FakeImage, files_of, units_of, verify

ZSTANDARD = b"\x28\xb5\x2f\xfd and so on"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(DEFAULT)


@pytest.fixture(scope="module")
def pki(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return keys_made_once(tmp_path_factory.mktemp("pki") / "keys", topology)


@pytest.fixture
def context(topology: Topology, pki: Pki, tmp_path: Path) -> StackContext:
    archive = tmp_path / "workload.tar"
    archive.write_bytes(b"not really an archive")
    image: Any = FakeImage(dict.fromkeys(Arch, archive))
    wants = [Want(name, arch) for name in ("k3s", "k3s-airgap-images", "kubelet") for arch in Arch]
    artifacts = {}
    for want in (*wants, Want("kubectl", host_arch())):
        path = tmp_path / f"{want.component}-{want.arch.value}"
        path.write_bytes(ZSTANDARD)
        digest = hashlib.sha256(str(want).encode()).hexdigest()
        artifacts[want] = Artifact(want.component, "v1", want.arch, path, digest, "made up")
    return StackContext(topology, artifacts, image, pki, api_host_port=26443)


def server(context: StackContext, embedded: bool = False) -> Provision:
    return K3s(embedded).provision(context)


def agent(context: StackContext, node: str = "edge-arm") -> Provision:
    return K3sAgent().provision(context, context.topology.node(node), K3s().endpoint(context))


def config_of(provision: Provision) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(files_of(provision)[CONFIG].content)
    return config


def kubelet_of(provision: Provision) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(files_of(provision)[KUBELET_DROP_IN].content)
    return config


def words_of(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]


# -- the server's configuration ------------------------------------------------------------


def test_the_server_deploys_nothing_that_the_lab_does_not_ask_for(context: StackContext) -> None:
    config = config_of(server(context))
    assert set(config["disable"]) == {
        "coredns",
        "servicelb",
        "traefik",
        "local-storage",
        "metrics-server",
        "runtimes",
    }
    for key in (
        "disable-helm-controller",
        "disable-cloud-controller",
        "disable-network-policy",
        "disable-kube-proxy",
    ):
        assert config[key] is True
    assert config["flannel-backend"] == "none"
    assert config["egress-selector-mode"] == "disabled"


def test_the_server_is_where_the_other_control_plane_would_be(context: StackContext) -> None:
    config = config_of(server(context))
    assert config["https-listen-port"] == 6443
    assert config["advertise-address"] == config["node-ip"] == "10.77.0.1"
    assert config["node-name"] == "server"
    assert config["service-cidr"] == "10.96.0.0/16"
    assert config["cluster-cidr"] == str(context.topology.pod_subnet)
    assert {"127.0.0.1", "10.77.0.1", "10.96.0.1", "server", "localhost"} <= set(config["tls-san"])
    ours, theirs = K3s().endpoint(context), Kubernetes().endpoint(context)
    assert (ours.url, ours.ca_pem) == (theirs.url, theirs.ca_pem)
    assert ours.unit in K3s().units()
    assert K3s().admin_kubeconfig(context) == Kubernetes().admin_kubeconfig(context)


def test_timing_reaches_the_programs_inside(context: StackContext) -> None:
    timing = Timing(
        node_monitor_grace=100,
        node_monitor_period=7,
        unreachable_toleration=42,
        node_status_update=9,
        node_lease=33,
    )
    topology = context.topology.model_copy(update={"timing": timing})
    provision = server(replace(context, topology=topology))
    config = config_of(provision)
    assert "node-monitor-grace-period=100s" in config["kube-controller-manager-arg"]
    assert "node-monitor-period=7s" in config["kube-controller-manager-arg"]
    assert "default-unreachable-toleration-seconds=42" in config["kube-apiserver-arg"]
    assert kubelet_of(provision)["nodeStatusUpdateFrequency"] == "9s"
    assert kubelet_of(provision)["nodeLeaseDurationSeconds"] == 33


def test_every_file_that_the_api_server_is_pointed_to_is_there(context: StackContext) -> None:
    provision = server(context)
    arguments = dict(each.split("=", 1) for each in config_of(provision)["kube-apiserver-arg"])
    assert arguments["audit-policy-file"] in files_of(provision)


# -- trust ---------------------------------------------------------------------------------


def test_the_labs_authority_is_the_one_root_of_trust(context: StackContext) -> None:
    files = files_of(server(context))
    pki = context.pki
    for name in ("server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca"):
        certificate = x509.load_pem_x509_certificate(files[f"{TLS}/{name}.crt"].content)
        key = serialization.load_pem_private_key(files[f"{TLS}/{name}.key"].content, password=None)
        assert certificate == pki.authority(CLUSTER).certificate
        assert key.public_key() == certificate.public_key()
        assert stat.S_IMODE(files[f"{TLS}/{name}.key"].mode) == 0o600
    assert files[f"{TLS}/service.key"].content == pki.signing_key(CLUSTER, "service-account")


def test_an_agent_holds_no_key_of_the_cluster_and_cannot_join_as_a_server(
    context: StackContext,
) -> None:
    content = b"".join(file.content for file in agent(context).files)
    assert context.pki.authority(CLUSTER).identity.key_pem not in content
    assert secret(context.pki, "server").encode() not in content
    assert secret(context.pki, "agent").encode() in content
    config = config_of(server(context))
    assert config["token"] != config["agent-token"]


def test_the_token_of_an_agent_names_the_authority_and_fits_the_server(
    context: StackContext,
) -> None:
    prefix, _, credentials = agent_token(context.pki).partition("::")
    on_disk = files_of(server(context))[f"{TLS}/server-ca.crt"].content
    assert prefix == "K10" + hashlib.sha256(on_disk).hexdigest()
    user, _, password = credentials.partition(":")
    assert user == "node"
    assert password == config_of(server(context))["agent-token"]


def test_no_secret_is_readable_by_others(context: StackContext) -> None:
    words = [secret(context.pki, purpose).encode() for purpose in ("server", "agent")]
    for provision in (server(context), agent(context)):
        for file in provision.files:
            if any(word in file.content for word in words):
                assert stat.S_IMODE(file.mode) == 0o600, file.path


def test_two_labs_have_different_tokens(context: StackContext, tmp_path: Path) -> None:
    other = make_keys(tmp_path / "other", context.topology)
    assert agent_token(other) != agent_token(context.pki)


# -- nodes ---------------------------------------------------------------------------------


def test_an_agent_is_told_its_server_by_its_environment(context: StackContext) -> None:
    provision = agent(context)
    lines = files_of(provision)[ENVIRONMENT].content.decode().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert environment == {
        "K3S_URL": "https://10.77.0.1:6443",
        "K3S_TOKEN": agent_token(context.pki),
    }
    unit = units_of(provision)["k3s-agent.service"]
    assert words_of(unit, "EnvironmentFile") == [ENVIRONMENT]
    assert "K3S_TOKEN" not in unit


@pytest.mark.parametrize("name", ["server", "edge-arm", "edge-riscv"])
def test_a_node_runs_on_debians_containerd_under_its_own_name(
    context: StackContext, name: str
) -> None:
    provision = server(context) if name == "server" else agent(context, name)
    config = config_of(provision)
    assert config["node-name"] == name
    assert config["container-runtime-endpoint"] == "unix:///run/containerd/containerd.sock"
    role = context.topology.node(name).role.value
    assert f"edge-lab.local/role={role}" in config["node-label"]
    assert kubelet_of(provision)["cgroupDriver"] == "cgroupfs"
    assert "pause-image" not in config, "an external containerd has its own"


def test_the_kubelet_inside_has_the_labs_settings_and_k3s_keeps_its_own(
    context: StackContext,
) -> None:
    node = context.topology.node("edge-arm")
    tainted = node.model_copy(update={"taints": (Taint(key="a", value="b", effect="NoExecute"),)})
    api = K3s().endpoint(context)
    config = kubelet_of(K3sAgent().provision(context, tainted, api))
    assert config["kind"] == "KubeletConfiguration"
    assert config["evictionHard"]["memory.available"] == "100Mi"
    assert config["maxPods"] == 32
    assert config["clusterDNS"] == []
    assert config["resolvConf"] == ""
    assert config["registerWithTaints"] == [{"key": "a", "value": "b", "effect": "NoExecute"}]
    for key in ("authentication", "authorization", "tlsCertFile", "containerRuntimeEndpoint"):
        assert key not in config


def test_the_drop_in_is_read_after_k3s_own_file() -> None:
    assert Path(KUBELET_DROP_IN).name > "00-k3s-defaults.conf"
    assert KUBELET_DROP_IN.endswith(".conf"), "the kubelet passes over any other file"


def test_an_agent_claims_no_autonomy() -> None:
    assert not K3sAgent.capabilities & {Capability.AUTONOMY, Capability.OFFLINE_REBOOT}


# -- units ---------------------------------------------------------------------------------


@pytest.mark.parametrize("embedded", [False, True])
def test_systemd_accepts_the_units(context: StackContext, tmp_path: Path, embedded: bool) -> None:
    for name, provision in (
        ("k3s.service", server(context, embedded)),
        ("k3s-agent.service", agent(context)),
    ):
        folder = tmp_path / name
        program = folder / "opt/edge-lab/bin/k3s"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        # A stub in the place of the program: systemd wants to see one that it could run.
        text = units_of(provision)[name].replace("/opt/edge-lab/bin/k3s", str(program))
        assert str(program) in text
        verify(folder, {name: text})


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_would_complain_of_a_unit_that_is_wrong(
    context: StackContext, tmp_path: Path
) -> None:
    text = units_of(server(context))["k3s.service"].replace("/opt/edge-lab/bin/k3s", "/bin/true")
    with pytest.raises(AssertionError, match="nothing"):
        verify(tmp_path, {"k3s.service": text.replace("Type=notify", "Type=nothing")})


@pytest.mark.parametrize(("unit", "role"), [("k3s", "server"), ("k3s-agent", "agent")])
def test_a_unit_is_as_k3s_installs_it(context: StackContext, unit: str, role: str) -> None:
    provision = server(context) if role == "server" else agent(context)
    text = units_of(provision)[f"{unit}.service"]
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    expected = {
        # An agent says that it is ready only when it has reached its server.
        "Type": "notify" if role == "server" else "exec",
        "KillMode": "process",
        "Delegate": "yes",
        "LimitNOFILE": "1048576",
        "LimitNPROC": "infinity",
        "LimitCORE": "infinity",
        "TasksMax": "infinity",
        "TimeoutStartSec": "infinity",
        "Restart": "always",
    }
    assert {key: settings.get(key) for key in expected} == expected
    assert settings["ExecStart"] == f"/opt/edge-lab/bin/k3s {role} --config={CONFIG}"
    assert settings["Environment"].startswith("GOMEMLIMIT=")


def test_a_plain_unit_has_none_of_what_k3s_needs() -> None:
    text = Service(name="x", description="x", command=("/bin/true",)).render()
    for key in ("Delegate", "TasksMax", "LimitNPROC", "EnvironmentFile"):
        assert key not in text


# -- the containerd that K3s brings --------------------------------------------------------


def test_the_embedded_containerd_needs_the_archive_of_images(topology: Topology) -> None:
    assert Want("k3s-airgap-images", Arch.X86_64) in K3s(embedded=True).wants(topology)
    assert all(want.component != "k3s-airgap-images" for want in K3s().wants(topology))


@pytest.mark.parametrize(("content", "ending"), [(ZSTANDARD, "tar.zst"), (b"ustar", "tar")])
def test_its_archive_is_named_for_what_it_is(
    context: StackContext, content: bytes, ending: str
) -> None:
    context.artifact("k3s-airgap-images", Arch.X86_64).path.write_bytes(content)
    provision = server(context, embedded=True)
    archive = f"k3s-images/k3s-airgap-images.{ending}"
    assert archive in {each.path for each in provision.payload}
    links = words_of(units_of(provision)["k3s.service"], "ExecStartPre")
    assert any(
        f"/opt/edge-lab/{archive} /opt/edge-lab/images/edge-lab.tar" in each for each in links
    )


def test_it_is_left_to_choose_its_socket_and_cgroups(context: StackContext) -> None:
    provision = server(context, embedded=True)
    assert "container-runtime-endpoint" not in config_of(provision)
    assert "cgroupDriver" not in kubelet_of(provision)


# -- what goes with what -------------------------------------------------------------------


def test_a_k3s_agent_joins_no_other_control_plane(topology: Topology) -> None:
    with pytest.raises(InputError, match="works only with the control plane 'k3s'") as caught:
        Stack(Kubernetes(), K3sAgent()).check(topology)
    assert "k3s+k3s" in caught.value.remedy
    with pytest.raises(InputError):
        get_stack("kubernetes+k3s").check(topology)
    assert "kubernetes+k3s" not in stack_names()


def test_other_runtimes_join_k3s_too(topology: Topology, context: StackContext) -> None:
    stack = Stack(K3s(), Kubelet())
    stack.check(topology)
    assert {"k3s+k3s", "k3s+kubelet", "k3s+openyurt", "k3s+kubeedge"} <= set(stack_names())
    config = yaml.safe_load(
        files_of(stack.provision(context)["edge-arm"])["/var/lib/kubelet/kubeconfig"].content
    )
    assert config["clusters"][0]["cluster"]["server"] == K3s().endpoint(context).url
