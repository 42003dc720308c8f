"""The add-on on each stack: which nodes have it, whom its programs ask, and who may."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
import yaml

from edge_lab.addons import Stage
from edge_lab.addons.services.addon import Services
from edge_lab.addons.services.names import DNS_ADDRESS, SERVES, SERVICES
from edge_lab.addons.services.pods import FILE
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import IdentityRequest
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.stacks.kubelet import DROP_INS
from edge_lab.topology import Arch, Topology
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import after, files_of, flags_of, units_of

OURS = {"kube-proxy.service", "coredns.service", "edge-lab-services-serve.service"}
ON_KUBELETS = ("kubernetes+openyurt", "kubernetes+kubelet")
ProvisionsOf = Callable[[str], dict[str, Provision]]


def kubeconfig_of(provision: Provision, program: str) -> dict[str, Any]:
    found = yaml.safe_load(files_of(provision)[f"/var/lib/{program}/kubeconfig"].content)
    assert isinstance(found, dict)
    return found


def server_of(config: dict[str, Any]) -> str:
    return str(config["clusters"][0]["cluster"]["server"])


def manifests_of(stack: str, platform_of: PlatformOf, context_of: ContextOf) -> list[Manifest]:
    ctx = context_of(platform_of(stack))
    return list(Services().manifests(ctx, Stage.API_SERVER_UP))


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [
        found for found in manifests if found["kind"] == kind and found["metadata"]["name"] == name
    ]
    return found


# -- where it is --------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ON_KUBELETS)
def test_all_nodes_with_a_kubelet_have_it(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    able = platform_of(stack).capabilities(topology)
    for node, provision in provisions_of(stack).items():
        assert SERVICES in able[node]
        assert set(provision.units) >= OURS
        assert {file.path for file in provision.payload} >= {"bin/kube-proxy", "bin/coredns"}


def test_edge_nodes_of_kubeedge_lack_it(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    stack = "kubernetes+kubeedge"
    able = platform_of(stack).capabilities(topology)
    provisions = provisions_of(stack)
    assert SERVICES in able["server"]
    for node in topology.edges:
        assert SERVICES not in able[node.name]
        assert not set(provisions[node.name].units) & OURS
    wants = Services().wants(topology, platform_of(stack).stack)
    assert set(wants) == {Want("kube-proxy", Arch.X86_64), Want("coredns", Arch.X86_64)}


@pytest.mark.parametrize("stack", stack_names())
def test_units_are_waited_for_where_they_are(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    units = platform_of(stack).units(topology)
    for node, provision in provisions_of(stack).items():
        assert set(units[node]) & OURS == set(provision.units) & OURS


# -- whom they ask ------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["kube-proxy", "coredns"])
def test_behind_yurthub_they_ask_it_and_show_nothing(
    provisions_of: ProvisionsOf, program: str
) -> None:
    edge = provisions_of("kubernetes+openyurt")["edge-arm"]
    config = kubeconfig_of(edge, program)
    assert server_of(config) == "http://127.0.0.1:10261"
    assert config["users"][0]["user"] == {}
    assert after(units_of(edge)[f"{program}.service"]) == [
        "systemd-networkd.service",
        "yurthub.service",
    ]


@pytest.mark.parametrize("program", ["kube-proxy", "coredns"])
@pytest.mark.parametrize(
    ("stack", "node"), [("kubernetes+kubelet", "edge-arm"), ("kubernetes+openyurt", "server")]
)
def test_elsewhere_they_ask_the_api_server_as_themselves(
    provisions_of: ProvisionsOf, stack: str, node: str, program: str
) -> None:
    provision = provisions_of(stack)[node]
    config = kubeconfig_of(provision, program)
    assert server_of(config) == "https://10.77.0.1:6443"
    user = config["users"][0]["user"]
    assert set(user) == {"client-certificate", "client-key"}
    files = files_of(provision)
    assert config["clusters"][0]["cluster"]["certificate-authority"] in files
    assert user["client-certificate"] in files
    assert files[user["client-key"]].mode == 0o600


def test_on_the_server_they_start_when_its_api_server_serves(provisions_of: ProvisionsOf) -> None:
    units = units_of(provisions_of("kubernetes+openyurt")["server"])
    for unit in ("kube-proxy.service", "coredns.service"):
        assert "edge-lab-api-server-serves.service" in after(units[unit])


def test_each_node_has_certificates_of_its_own(topology: Topology) -> None:
    requests = [
        request
        for request in Services().identities(topology)
        if isinstance(request, IdentityRequest)
    ]
    assert len({request.name for request in requests}) == 2 * len(topology.nodes)
    users = {request.spec.common_name for request in requests}
    assert "system:kube-proxy" in users
    assert {f"edge-lab:coredns:{node.name}" for node in topology.nodes} < users


def test_a_node_is_ready_when_both_know_the_services(provisions_of: ProvisionsOf) -> None:
    unit = units_of(provisions_of("kubernetes+openyurt")["edge-riscv"])[f"{SERVES}.service"]
    assert {"http://127.0.0.1:10256/healthz", "http://127.0.0.1:8181/ready"} <= set(unit.split())
    assert after(unit) == ["kube-proxy.service", "coredns.service"]


# -- objects ------------------------------------------------------------------------------------


def test_each_node_is_sent_to_its_own_name_server(
    topology: Topology, platform_of: PlatformOf, context_of: ContextOf
) -> None:
    manifests = manifests_of("kubernetes+openyurt", platform_of, context_of)
    service = one(manifests, "Service", "kube-dns")
    assert service["spec"]["clusterIP"] == str(DNS_ADDRESS) == "10.96.0.10"
    assert service["spec"]["internalTrafficPolicy"] == "Local"
    assert "selector" not in service["spec"]
    slices = one(manifests, "EndpointSlice", "kube-dns-nodes")
    assert slices["metadata"]["labels"]["kubernetes.io/service-name"] == "kube-dns"
    by_node = {endpoint["nodeName"]: endpoint["addresses"] for endpoint in slices["endpoints"]}
    assert by_node == {
        node.name: [str(topology.cluster_link(node.name).address)] for node in topology.nodes
    }
    # A port of a slice belongs to that of the Service with its name.
    ports = [{key: port[key] for key in ("name", "protocol", "port")} for port in slices["ports"]]
    assert [
        {key: port[key] for key in ("name", "protocol", "port")}
        for port in service["spec"]["ports"]
    ] == ports


def test_a_node_without_it_is_sent_nowhere(platform_of: PlatformOf, context_of: ContextOf) -> None:
    manifests = manifests_of("kubernetes+kubeedge", platform_of, context_of)
    slices = one(manifests, "EndpointSlice", "kube-dns-nodes")
    assert [endpoint["nodeName"] for endpoint in slices["endpoints"]] == ["server"]


@pytest.mark.parametrize(
    ("stack", "nodes_may"), [("kubernetes+openyurt", True), ("kubernetes+kubelet", False)]
)
def test_nodes_may_ask_only_where_they_are_asked_by(
    platform_of: PlatformOf, context_of: ContextOf, stack: str, nodes_may: bool
) -> None:
    bindings = [
        binding
        for binding in manifests_of(stack, platform_of, context_of)
        if binding["kind"] == "ClusterRoleBinding"
    ]
    given = {
        binding["roleRef"]["name"]
        for binding in bindings
        for subject in binding["subjects"]
        if subject["name"] == "system:nodes"
    }
    assert given == ({"system:coredns", "system:node-proxier"} if nodes_may else set())


def test_rights_are_to_read(platform_of: PlatformOf, context_of: ContextOf) -> None:
    role = one(
        manifests_of("kubernetes+kubelet", platform_of, context_of), "ClusterRole", "system:coredns"
    )
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list", "watch"}


def test_no_object_is_late(platform_of: PlatformOf, context_of: ContextOf) -> None:
    ctx = context_of(platform_of("kubernetes+openyurt"))
    assert Services().manifests(ctx, Stage.NODES_READY) == ()


# -- pods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ON_KUBELETS)
def test_kubelets_name_the_name_server_to_their_pods(
    provisions_of: ProvisionsOf, stack: str
) -> None:
    for provision in provisions_of(stack).values():
        config = yaml.safe_load(files_of(provision)[f"{DROP_INS}/{FILE}"].content)
        assert config["kind"] == "KubeletConfiguration"
        assert [IPv4Address(address) for address in config["clusterDNS"]] == [DNS_ADDRESS]
        assert config["clusterDomain"] == "cluster.local"
        assert flags_of(units_of(provision)["kubelet.service"])["config-dir"] == DROP_INS


def test_k3s_takes_it_after_the_labs_own_settings(provisions_of: ProvisionsOf) -> None:
    """The last file that names a field counts, and the lab's says that there is no name server."""
    provisions = provisions_of("k3s+k3s")
    for provision in provisions.values():
        settings = sorted(path for path in files_of(provision) if "/kubelet.conf.d/" in path)
        assert yaml.safe_load(files_of(provision)[settings[-1]].content)["clusterDNS"] != []
        assert len(settings) == 2
