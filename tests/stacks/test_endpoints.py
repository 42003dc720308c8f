"""The ports that stacks and add-ons declare."""

from __future__ import annotations

from edge_lab.addons import Platform, get_platform
from edge_lab.pki import CLUSTER
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.endpoint import Reach, Speaks
from edge_lab.probes.expected import Outcome
from edge_lab.stacks import Stack, get_stack
from edge_lab.stacks.endpoints import KUBEEDGE_DOMAIN
from edge_lab.stacks.kubernetes import Kubernetes
from edge_lab.stacks.openyurt import OpenYurt
from edge_lab.topology import Topology
from tests.stacks.provisions import ContextFor, units_of

HUB = "yurthub-multiplexer"


def test_each_endpoint_is_unique_and_expects_known_probes(stack: Stack, topology: Topology) -> None:
    endpoints = Platform(stack, get_platform(stack.name, topology).addons).endpoints(topology)
    assert len({endpoint.id for endpoint in endpoints}) == len(endpoints)
    places = {node.name for node in topology.nodes} | {device.name for device in topology.devices}
    for endpoint in endpoints:
        assert endpoint.node in places
        assert set(endpoint.policy.expects) <= set(PROBES), endpoint.id
        # Nothing else counts where the peer that is meant to get in is not seen to get in.
        assert (
            not endpoint.policy.expects
            or any(
                expected.outcome is Outcome.LET_IN for expected in endpoint.policy.expects.values()
            )
            or endpoint.name == "cloudcore-join"
        ), endpoint.id


def test_what_is_on_loopback_is_tried_over_the_wire(stack: Stack, topology: Topology) -> None:
    for endpoint in stack.endpoints(topology):
        if endpoint.reach is Reach.LOOPBACK:
            assert endpoint.policy.expects["from-wire"].outcome is Outcome.UNREACHABLE
        else:
            assert "from-wire" not in endpoint.policy.expects


def test_each_node_has_its_kubelet_and_no_sshd(topology: Topology) -> None:
    endpoints = get_platform("kubernetes+openyurt", topology).endpoints(topology)
    nodes = {endpoint.node for endpoint in endpoints if endpoint.name == "kubelet"}
    assert nodes == {node.name for node in topology.nodes}
    assert not [endpoint for endpoint in endpoints if endpoint.port == 22]


def test_the_names_in_requests_are_the_clients(topology: Topology) -> None:
    (api,) = (
        endpoint
        for endpoint in get_stack("kubernetes+kubelet").endpoints(topology)
        if endpoint.name == "kube-apiserver"
    )
    there = api.as_client("edge-arm")
    assert there.request is not None
    assert there.right is not None
    assert there.request.path == "/api/v1/pods?fieldSelector=spec.nodeName%3Dedge-arm"
    assert there.right.common_name == "system:node:edge-arm"
    assert there.speaks is Speaks.HTTPS


def test_yurthubs_multiplexer_is_on_loopback_unless_it_is_asked_for(
    topology: Topology, context_for: ContextFor
) -> None:
    told, reaches = {}, {}
    for on_wire in (False, True):
        stack = Stack(Kubernetes(), OpenYurt(multiplexer_on_wire=on_wire))
        unit = units_of(stack.provision(context_for(stack))["edge-arm"])["yurthub.service"]
        told[on_wire] = next(word for word in unit.split() if word.startswith("--node-ip="))
        hubs = [endpoint for endpoint in stack.endpoints(topology) if endpoint.name == HUB]
        reaches[on_wire] = {hub.reach for hub in hubs}
    assert told == {False: "--node-ip=127.0.0.1", True: "--node-ip=10.77.0.11"}
    assert reaches == {False: {Reach.LOOPBACK}, True: {Reach.WIRE}}
    assert get_stack("kubernetes+openyurt").runtime == OpenYurt()


def test_the_unit_that_dials_the_cloud_is_declared_for_each_edge_node(
    topology: Topology,
) -> None:
    expected = {
        "kubernetes+openyurt": ("yurthub.service", 6443, CLUSTER),
        "kubernetes+kubelet": ("kubelet.service", 6443, CLUSTER),
        "kubernetes+kubeedge": ("edgecore.service", 10000, KUBEEDGE_DOMAIN),
    }
    for name, dialled in expected.items():
        clients = get_platform(name, topology).cloud_clients(topology)
        assert [(client.node, client.unit, client.port, client.domain) for client in clients] == [
            (node.name, *dialled) for node in topology.edges
        ]
        (address,) = {client.address for client in clients}
        assert all(address in map(str, client.server.addresses) for client in clients)


def test_plain_text_is_tried_at_each_port_with_tls_and_tls_at_each_one_without(
    stack: Stack, topology: Topology
) -> None:
    other = {Speaks.HTTPS: "plaintext", Speaks.TLS: "plaintext", Speaks.HTTP: "tls"}
    for endpoint in stack.endpoints(topology):
        if endpoint.policy.expects:
            assert other[endpoint.speaks] in endpoint.policy.expects, endpoint.id
