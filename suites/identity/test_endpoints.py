"""Each declared endpoint admits its peers and refuses all others for the right reason, and no port
on a link is undeclared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.services.names import SERVICES
from edge_lab.fixtures.capabilities import capabilities_of
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.machines.guest import MANAGEMENT_ADDRESS
from edge_lab.oracles.identity import was_let_in
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.impersonation import trespass_endpoints
from edge_lab.probes.listeners import missing, undeclared
from edge_lab.stacks import ApiCache

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("Endpoints")]


READS_NODES = ("/read-node", "/list-nodes")


def reads_nodes(lab: Lab, node: LabNode) -> bool:
    """kube-proxy reads all nodes. Through a cache it does so as its node."""
    return SERVICES in capabilities_of(lab, [node.name]) and isinstance(lab.stack.runtime, ApiCache)


def clients(lab: Lab, endpoint: Endpoint) -> list[str]:
    """The probing nodes: the server is probed from each edge node, an edge node from the server."""
    server = lab.topology.server.name
    if endpoint.node == server:
        return [node.name for node in lab.topology.edges]
    return [server]


@allure.story("Probes")
@allure.title("{probed_endpoint}")
@pytest.mark.scenario("wrong peers")
def test_each_wrong_peer_is_refused_for_the_right_reason(
    lab: Lab, probe: Prober, probed_endpoint: Endpoint
) -> None:
    verdicts = [probe.probe(probed_endpoint, client) for client in clients(lab, probed_endpoint)]
    assert verdicts, "no node to probe from"
    failed = [str(verdict) for verdict in verdicts if not verdict.passed]
    assert not failed, "\n".join(failed)


@allure.story("Impersonation")
@allure.title("{edge_node} has no access to the objects of another node")
@pytest.mark.scenario("another node's objects")
def test_a_node_may_do_nothing_to_another(
    lab: Lab, server: LabNode, edge_node: LabNode, probe: Prober
) -> None:
    others = [node.name for node in lab.topology.nodes if node.name != edge_node.name]
    (api,) = (
        endpoint for endpoint in probe.endpoints(server.name) if endpoint.name == "kube-apiserver"
    )
    endpoints = [
        endpoint
        for endpoint in trespass_endpoints(api, edge_node.name, others[-1])
        if not (reads_nodes(lab, edge_node) and endpoint.name.endswith(READS_NODES))
    ]
    records = [
        record for endpoint in endpoints for record in probe.try_all(endpoint, edge_node.name)
    ]
    verdict = probe.judge(edge_node.name, endpoints, records)
    assert verdict.passed, str(verdict)


@allure.story("Ports")
@allure.title("Only declared ports are open on the links of {node}")
def test_no_port_on_a_wire_is_undeclared(node: LabNode, probe: Prober) -> None:
    seen, declared = probe.listeners(node.name), probe.endpoints(node.name)
    assert seen, "no listeners were found, not even that of the probe"
    found = undeclared(seen, declared, unseen={str(MANAGEMENT_ADDRESS.ip)})
    assert not found, f"undeclared ports on {node.name}: {', '.join(map(str, found))}"
    assert not missing(seen, declared), "declared, but not open"
    # The same check must be able to fail.
    assert undeclared(seen, [])


@allure.story("Session tickets")
@allure.title("No bad certificate is admitted by the TLS session of a good one, from {edge_node}")
def test_no_probe_rides_on_an_earlier_session(
    server: LabNode, edge_node: LabNode, probe: Prober
) -> None:
    (api,) = (
        endpoint for endpoint in probe.endpoints(server.name) if endpoint.name == "kube-apiserver"
    )
    target = probe.target(api, edge_node.name)
    good = target.try_one(PROBES["right"])
    assert was_let_in(good), str(good)
    after = [target.try_one(PROBES[name]) for name in ("none", "expired", "foreign-ca")]
    assert [str(record) for record in after if record.resumed or was_let_in(record)] == []
    # A stolen session is resumed: otherwise the assertion above would prove nothing.
    assert target.try_one(PROBES["stolen-ticket"]).resumed
