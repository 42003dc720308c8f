from __future__ import annotations

import configparser
import hashlib
import json
import re
import shutil
import stat
import string
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.artifacts import Artifact, Want, host_arch
from edge_lab.cluster.labels import check_labels, given_labels, own_labels
from edge_lab.core.errors import InputError, LabError
from edge_lab.pki import Pki
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import (
    Capability,
    Stack,
    StackContext,
    get_stack,
    kubectl_want,
    stack_names,
)
from edge_lab.stacks.k3s_node import CONFIG as K3S_CONFIG
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubelet import CLIENT_PEM, kubelet_config
from edge_lab.stacks.node import masquerade_rules
from edge_lab.stacks.unit import Service
from edge_lab.topology import Arch, Node, Role, Taint, Timing, Topology, load_topology

OF_THE_IMAGE = {"containerd.service", "edge-lab-images.service"}
"""Units that are in the root image already."""

DEFAULT = Path(__file__).parents[2] / "labs" / "default.yaml"


@dataclass(frozen=True)
class FakeImage:
    """As much of an OciImage as a stack looks at."""

    archives: dict[Arch, Path]


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(DEFAULT)


@pytest.fixture(scope="session")
def pki(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.create(tmp_path_factory.mktemp("pki") / "keys", topology)


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("image") / "workload.tar"
    path.write_bytes(b"not really an archive")
    return FakeImage(dict.fromkeys(Arch, path))


ContextFor = Callable[[Stack], StackContext]


@pytest.fixture(scope="session")
def context_for(
    topology: Topology, pki: Pki, workload: Any, tmp_path_factory: pytest.TempPathFactory
) -> ContextFor:
    cache = tmp_path_factory.mktemp("cache")
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    names = ("devices.devices.kubeedge.io", "objectsyncs.reliablesyncs.kubeedge.io")
    documents = [crd | {"metadata": {"name": name}} for name in names]
    (cache / "kubeedge-crds").write_text(yaml.safe_dump_all(documents))

    def make(stack: Stack) -> StackContext:
        artifacts = {
            want: Artifact(
                want.component,
                "v1",
                want.arch,
                cache / want.component,
                hashlib.sha256(str(want).encode()).hexdigest(),
                "made up",
            )
            for want in stack.wants(topology)
        }
        return StackContext(topology, artifacts, workload, pki, api_host_port=26443)

    return make


@pytest.fixture(params=stack_names())
def stack(request: pytest.FixtureRequest) -> Stack:
    return get_stack(request.param)


@pytest.fixture
def context(stack: Stack, context_for: ContextFor) -> StackContext:
    return context_for(stack)


@pytest.fixture
def provisions(stack: Stack, context: StackContext) -> dict[str, Provision]:
    return stack.provision(context)


def files_of(provision: Provision) -> dict[str, GuestFile]:
    return {file.path: file for file in provision.files}


def units_of(provision: Provision) -> dict[str, str]:
    folder = "/etc/systemd/system/"
    return {
        path.removeprefix(folder): file.content.decode()
        for path, file in files_of(provision).items()
        if path.startswith(folder)
    }


def flags_of(unit: str) -> dict[str, str]:
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    words = [word.strip('"') for word in line.split()[1:]]
    return dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)


# -- names ---------------------------------------------------------------------------------


def test_each_stack_is_found_by_its_name(stack: Stack) -> None:
    assert get_stack(stack.name).name == stack.name


def test_an_unknown_stack_is_the_users_mistake() -> None:
    with pytest.raises(InputError, match="Did you mean 'kubernetes\\+openyurt'"):
        get_stack("kubernetes+openyurd")


@pytest.mark.parametrize("capability", Capability)
def test_a_capability_is_asked_for_by_a_test_and_lacked_by_a_stack(capability: Capability) -> None:
    suites = Path(__file__).parents[2] / "suites"
    marks = re.compile(rf'mark\.(needs|fails_without)\([^)]*"{capability.value}"')
    assert any(marks.search(path.read_text()) for path in suites.rglob("test_*.py"))
    having = {name: capability in get_stack(name).capabilities for name in stack_names()}
    assert set(having.values()) == {True, False}, having


def test_a_stack_claims_no_more_than_it_has() -> None:
    autonomy = {Capability.AUTONOMY, Capability.OFFLINE_REBOOT}
    assert autonomy <= get_stack("kubernetes+openyurt").capabilities
    assert not autonomy & get_stack("kubernetes+kubelet").capabilities


# -- what it wants -------------------------------------------------------------------------


def test_wanted_are_the_programs_of_each_architecture_and_kubectl_for_the_host(
    topology: Topology,
) -> None:
    wants = get_stack("kubernetes+openyurt").wants(topology)
    assert len(wants) == len(set(wants))
    assert Want("kubectl", host_arch()) in wants
    assert Want("kube-apiserver", Arch.X86_64) in wants
    assert {want.arch for want in wants if want.component == "kubelet"} == set(Arch)
    assert {want.arch for want in wants if want.component == "yurthub"} == {
        Arch.AARCH64,
        Arch.RISCV64,
    }


def test_a_component_that_was_not_resolved_is_named(stack: Stack, context: StackContext) -> None:
    bare = StackContext(context.topology, {}, context.workload, context.pki, context.api_host_port)
    with pytest.raises(LabError, match="no artifact for"):
        stack.provision(bare)


def test_versions_are_by_component(stack: Stack, context: StackContext) -> None:
    versions = stack.versions(context.artifacts)
    assert set(versions.values()) == {"v1"}
    assert kubectl_want().component in versions


# -- what is rendered ----------------------------------------------------------------------


def test_every_node_is_provided_for(
    provisions: Mapping[str, Provision], topology: Topology
) -> None:
    assert set(provisions) == {node.name for node in topology.nodes}


def test_systemd_accepts_every_unit(provisions: Mapping[str, Provision], tmp_path: Path) -> None:
    for node, provision in provisions.items():
        folder = tmp_path / node
        folder.mkdir()
        # The programs are on the payload disk; systemd-analyze wants to see some program.
        verify(folder, {n: _with_a_program(text) for n, text in units_of(provision).items()})


@pytest.mark.parametrize("kind", ["exec", "notify", "oneshot"])
def test_systemd_reads_a_unit_without_a_complaint(kind: str, tmp_path: Path) -> None:
    service = Service(
        name="probe",
        description="100 % of it",
        command=("/bin/true", "a b", 'with "quotes"', "sqlite:///x?_a=b&c=%d"),
        kind=kind,  # type: ignore[arg-type]
        environment={"GOMEMLIMIT": "1MiB"},
        state_directory="probe",
        runtime_directory="probe",
        before_start=(("-/bin/false",),),
        mounts=("/",),
        oom_score_adjust=-5,
    )
    verify(tmp_path, {"probe.service": service.render()})


def verify(folder: Path, units: dict[str, str]) -> None:
    """Fails on what `systemd-analyze verify` says; without it, the text must be an INI file."""
    for name, text in units.items():
        (folder / name).write_text(text)
    if not shutil.which("systemd-analyze"):
        for text in units.values():
            configparser.RawConfigParser(strict=False).read_string(text)
        return
    paths = [str(folder / name) for name in units]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"},
    )
    complaints = [line for line in done.stderr.splitlines() if any(name in line for name in units)]
    assert complaints == []


def _with_a_program(unit: str) -> str:
    lines = []
    for line in unit.splitlines():
        key, _, value = line.partition("=")
        if key in ("ExecStart", "ExecStartPre"):
            program, _, rest = value.partition(" ")
            line = f"{key}={'-' if program.startswith('-') else ''}/bin/true {rest}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def test_enabled_units_are_there_and_the_watched_ones_are_enabled(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology
) -> None:
    watched = stack.units(topology)
    for node, provision in provisions.items():
        assert set(provision.units) == set(units_of(provision))
        assert set(watched[node]) == {*provision.units, *OF_THE_IMAGE} - {"containerd.service"}


def test_units_name_no_unit_that_is_missing(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        units = units_of(provision)
        for text in units.values():
            for line in text.splitlines():
                key, _, names = line.partition("=")
                if key in ("After", "Wants"):
                    assert set(names.split()) <= {*units, *OF_THE_IMAGE}


def test_what_units_run_is_in_the_payload(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        payload = {f"/opt/edge-lab/{file.path}" for file in provision.payload}
        for text in units_of(provision).values():
            line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
            program = line.removeprefix("ExecStart=").split()[0]
            assert program in payload or not program.startswith("/opt/edge-lab")


def test_no_secret_is_readable_by_others(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        for file in provision.files:
            secret = b"PRIVATE KEY" in file.content or b"client-key-data" in file.content
            assert not secret or stat.S_IMODE(file.mode) == 0o600, file.path


def test_only_the_server_holds_the_keys_of_the_cluster(
    provisions: Mapping[str, Provision], context: StackContext
) -> None:
    secrets = [context.pki.cluster.identity.key_pem, context.pki.admin.key_pem]
    for node, provision in provisions.items():
        content = b"".join(file.content for file in provision.files)
        assert (secrets[0] in content) == (node == context.topology.server.name)
        assert secrets[1] not in content
        others = [n.name for n in context.topology.nodes if n.name != node]
        assert not any(context.pki.node_client(other).key_pem in content for other in others)


def test_every_yaml_and_json_file_can_be_read(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        for path, file in files_of(provision).items():
            if path.endswith((".yaml", ".conf", "kubeconfig")):
                # Of all that is configured with YAML, K3s alone reads no Kubernetes object.
                assert path == K3S_CONFIG or yaml.safe_load(file.content)["kind"]
            if path.endswith(".conflist"):
                assert json.loads(file.content)["plugins"]


def test_the_same_context_gives_the_same_files(stack: Stack, context: StackContext) -> None:
    assert stack.provision(context) == stack.provision(context)


def test_manifests_are_objects_with_names(stack: Stack, context: StackContext) -> None:
    found = [(each["kind"], each["metadata"]["name"]) for each in stack.manifests(context)]
    assert found
    assert len(found) == len(set(found))


def after(unit: str) -> list[str]:
    """The units that `unit` is ordered behind."""
    (line,) = [each for each in unit.splitlines() if each.startswith("After=")]
    return line.removeprefix("After=").split()


# -- control plane and runtimes ------------------------------------------------------------


def test_the_api_server_trusts_only_known_kubelets(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+kubelet")
    provisions = stack.provision(context_for(stack))
    flags = flags_of(units_of(provisions["server"])["kube-apiserver.service"])
    assert flags["kubelet-certificate-authority"] == "/etc/kubernetes/pki/ca.crt"
    assert flags["authorization-mode"] == "Node,RBAC"
    assert flags["enable-admission-plugins"] == "NodeRestriction"
    assert flags["advertise-address"] == "10.77.0.1"


def test_the_server_is_up_when_its_control_plane_serves(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    server = stack.provision(context_for(stack))["server"]
    units = units_of(server)
    serves = "edge-lab-api-server-serves.service"
    assert after(units[serves]) == ["kube-apiserver.service"]
    assert "Type=oneshot" in units[serves]
    for unit in ("kube-controller-manager", "kube-scheduler"):
        assert after(units[f"{unit}.service"]) == [serves]
    assert serves in after(units["kubelet.service"])
    both = ["kube-controller-manager.service", "kube-scheduler.service"]
    assert after(units["edge-lab-control-plane-serves.service"]) == both
    assert set(server.units) >= {serves, "edge-lab-control-plane-serves.service"}


def test_every_file_that_a_program_is_pointed_to_is_there(
    provisions: Mapping[str, Provision],
) -> None:
    made_by_it = {"/var/log/kubernetes/audit.log", "/var/lib/yurthub", "/etc/kubernetes/cache/"}
    for provision in provisions.values():
        for text in units_of(provision).values():
            for flag, value in flags_of(text).items():
                if value.startswith(("/etc/", "/var/")):
                    assert value in files_of(provision) or value in made_by_it, flag


def test_timing_reaches_the_programs(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    plain = context_for(stack)
    timing = Timing(node_monitor_grace=100, edge_heartbeat=20)
    slow = replace(plain, topology=plain.topology.model_copy(update={"timing": timing}))
    provisions = stack.provision(slow)
    manager = flags_of(units_of(provisions["server"])["kube-controller-manager.service"])
    assert manager["node-monitor-grace-period"] == "100s"
    hub = flags_of(units_of(provisions["edge-arm"])["yurthub.service"])
    assert hub["heartbeat-interval-seconds"] == hub["heartbeat-timeout-seconds"] == "20"
    server = flags_of(units_of(provisions["server"])["kube-apiserver.service"])
    assert server["default-unreachable-toleration-seconds"] == "300"


def test_an_emulated_cluster_says_no_more_than_it_must(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    provisions = stack.provision(context_for(stack))
    datastore = flags_of(units_of(provisions["server"])["kine.service"])
    assert datastore["watch-progress-notify-interval"] == "1m"
    server = flags_of(units_of(provisions["server"])["kube-apiserver.service"])
    assert server["etcd-count-metric-poll-period"] == "0"
    assert "DetectCacheInconsistency=false" in server["feature-gates"]
    kubelet = yaml.safe_load(
        files_of(provisions["edge-arm"])["/var/lib/kubelet/config.yaml"].content
    )
    # Left out it would be as often as the other, with or without news.
    assert kubelet["nodeStatusUpdateFrequency"] == "10s"
    assert kubelet["nodeStatusReportFrequency"] == "5m"
    hub = flags_of(units_of(provisions["edge-arm"])["yurthub.service"])
    assert int(hub["heartbeat-timeout-seconds"]) > 2


def test_behind_yurthub_the_kubelet_knows_nothing_but_yurthub(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    provision = stack.provision(context_for(stack))["edge-arm"]
    config = yaml.safe_load(files_of(provision)["/var/lib/kubelet/kubeconfig"].content)
    assert config["clusters"][0]["cluster"] == {"server": "http://127.0.0.1:10261"}
    assert config["users"][0]["user"] == {}
    hub = yaml.safe_load(files_of(provision)["/etc/kubernetes/kubelet.conf"].content)
    assert hub["clusters"][0]["cluster"]["server"] == "https://10.77.0.1:6443"
    assert hub["users"][0]["user"]["client-certificate"] == CLIENT_PEM
    pem = files_of(provision)[CLIENT_PEM].content
    assert pem.count(b"-----BEGIN") == 2


def test_the_plain_kubelet_goes_to_the_api_server_itself(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+kubelet")
    provision = stack.provision(context_for(stack))["edge-arm"]
    config = yaml.safe_load(files_of(provision)["/var/lib/kubelet/kubeconfig"].content)
    assert config["clusters"][0]["cluster"]["server"] == "https://10.77.0.1:6443"
    assert "yurthub.service" not in provision.units


def test_the_host_reaches_the_api_server_by_its_forwarded_port(
    stack: Stack, context: StackContext
) -> None:
    config = yaml.safe_load(stack.admin_kubeconfig(context))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:26443"


def test_a_kubeconfig_without_an_identity_says_so() -> None:
    assert yaml.safe_load(kubeconfig("http://x"))["users"][0]["user"] == {}


def test_the_kubelet_is_told_of_taints() -> None:
    taint = Taint(key="site", value="far", effect="NoExecute")
    node = Node(name="n", arch=Arch.AARCH64, role=Role.EDGE, taints=(taint,))
    config = yaml.safe_load(kubelet_config(node, Timing()))
    assert config["registerWithTaints"] == [{"key": "site", "value": "far", "effect": "NoExecute"}]
    assert config["evictionHard"]["memory.available"] == "100Mi"


# -- pod network ---------------------------------------------------------------------------


def test_pods_get_addresses_of_their_nodes_own_network(
    provisions: Mapping[str, Provision], topology: Topology
) -> None:
    for node, provision in provisions.items():
        config = json.loads(files_of(provision)["/etc/cni/net.d/10-edge-lab.conflist"].content)
        ranges = config["plugins"][0]["ipam"]["ranges"]
        assert ranges == [[{"subnet": str(topology.pod_cidr(node))}]]


def test_masquerading_spares_pods_and_covers_every_wire(topology: Topology) -> None:
    rules = masquerade_rules(topology, topology.node("edge-arm")).splitlines()
    spare = rules.index("-A EDGE-LAB-PODS -d 10.42.0.0/16 -j RETURN")
    masked = [line for line in rules if line.endswith("-j MASQUERADE")]
    assert masked == [
        "-A EDGE-LAB-PODS -o cloud0 -j MASQUERADE",
        "-A EDGE-LAB-PODS -o plant0 -j MASQUERADE",
    ]
    assert all(rules.index(line) > spare for line in masked)


@pytest.mark.skipif(not shutil.which("iptables-restore"), reason="no iptables-restore here")
def test_iptables_understands_the_rules(topology: Topology) -> None:
    done = subprocess.run(
        ["iptables-restore", "--test", "--noflush"],
        input=masquerade_rules(topology, topology.server),
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr or "not supported" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


label_text = st.one_of(
    st.text(st.characters(exclude_characters="/"), max_size=20),
    st.text("abcXYZ019-_.", max_size=70),
)


# -- labels --------------------------------------------------------------------------------


def node_with(labels: Mapping[str, str]) -> Node:
    return Node(name="n", arch=Arch.AARCH64, role=Role.EDGE, labels=dict(labels))


def topology_with(labels: Mapping[str, str], topology: Topology) -> Topology:
    first = topology.nodes[0].model_copy(update={"labels": dict(labels)})
    return topology.model_copy(update={"nodes": (first, *topology.nodes[1:])})


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "site",
                "example.org/rack",
                "kubernetes.io/odd",
                "node-role.kubernetes.io/gateway",
                "sub.k8s.io/x",
                "notkubernetes.io/x",
            ]
        ),
        st.sampled_from(["", "north", "A.b-c_9"]),
    )
)
def test_every_label_is_set_by_the_node_or_by_the_lab(labels: dict[str, str]) -> None:
    node = node_with(labels)
    own, given_ = own_labels(node), given_labels(node)
    assert labels.items() <= {**own, **given_}.items()
    assert not own.keys() & given_.keys()
    assert not any("kubernetes.io/" in key and "not" not in key for key in own)


@given(label_text, label_text)
def test_a_label_either_passes_or_is_named(key: str, value: str) -> None:
    topology = topology_with({key: value}, _small_topology())
    if usable(key, value):
        check_labels(topology)
    else:
        with pytest.raises(InputError, match="server") as refused:
            check_labels(topology)
        assert refused.value.remedy


def usable(key: str, value: str) -> bool:
    """The rule in other words: what kubectl would take, keys without a prefix only."""
    letters = string.ascii_letters + string.digits

    def fits(text: str) -> bool:
        plain = set(text) <= set(letters + "-_.")
        return plain and len(text) <= 63 and text[:1] in letters and text[-1:] in letters

    return bool(key) and fits(key) and (not value or fits(value))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"Site!": "x"}, "no usable name"),
        ({"UPPER/site": "x"}, "no DNS name"),
        ({"site": "nord süd"}, "no usable value"),
        ({"x" * 64: ""}, "no usable name"),
    ],
)
def test_a_label_that_kubernetes_would_refuse_is_refused_at_once(
    labels: dict[str, str], said: str, topology: Topology, stack: Stack
) -> None:
    with pytest.raises(InputError, match=said):
        stack.check(topology_with(labels, topology))


def test_a_network_on_the_services_addresses_is_refused(topology: Topology, stack: Stack) -> None:
    odd = topology.networks[1].model_copy(update={"subnet": IPv4Network("10.96.7.0/24")})
    with pytest.raises(InputError, match="overlaps"):
        stack.check(topology.model_copy(update={"networks": (topology.networks[0], odd)}))


def _small_topology() -> Topology:
    description: dict[str, Any] = {
        "name": "small",
        "stacks": ["kubernetes+kubelet"],
        "networks": [{"name": "wire", "subnet": "10.1.0.0/24"}],
        "nodes": [{"name": "server", "arch": "x86_64", "role": "server"}],
        "links": [{"name": "l", "endpoint": "server", "network": "wire", "address": "10.1.0.1"}],
    }
    return Topology.model_validate(description)
