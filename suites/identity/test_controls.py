"""Negative controls: what must turn the probes red, does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import CLUSTER
from suites.identity.planted import (
    PORT,
    exposed_yurthub,
    on_loopback,
    open_endpoint,
    planted_endpoint,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("Controls")]


@allure.story("Open endpoint")
@allure.title("Each probe from {edge_node} fails at an endpoint that admits anyone (control)")
def test_an_open_endpoint_turns_each_probe_red(
    server: LabNode, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    with open_endpoint(server, probe.authority(CLUSTER), time_limit) as endpoint:
        records = probe.try_all(endpoint, edge_node.name)
        local = on_loopback(endpoint)
        from_wire = probe.try_all(local, edge_node.name)
    judged = probe.control("an endpoint that admits anyone", endpoint, records)
    judged += probe.control(
        "a port for the node alone that is open on the network", local, from_wire
    )
    found = {check.record.probe: check.finding for check in judged}
    assert found.pop("right") is Finding.PASS
    assert "from-wire" in found
    assert {name: finding for name, finding in found.items() if finding is not Finding.LET_IN} == {}


@allure.story("Endpoint down")
@allure.title("Probes from {edge_node} at an endpoint that is down are no evidence (control)")
def test_an_endpoint_that_is_down_is_no_evidence(
    server: LabNode, edge_node: LabNode, probe: Prober
) -> None:
    assert not [listener for listener in probe.listeners(server.name) if listener.port == PORT]
    endpoint = planted_endpoint(server.name)
    records = probe.try_all(endpoint, edge_node.name)
    verdict = judge_identity(edge_node.name, "control", records, {endpoint.id: endpoint})
    assert {check.finding for check in verdict.judged} == {Finding.NO_EVIDENCE}


@allure.story("yurthub")
@allure.title(
    "yurthub listening on the address of {edge_node} lets anyone act as the node (control)"
)
@pytest.mark.runtime("openyurt")
def test_yurthub_on_the_wire_lets_anyone_in(
    lab: Lab, server: LabNode, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    """With the lab's setting taken back; docs/findings/openyurt-yurthub-10269.md."""
    with exposed_yurthub(edge_node, lab.topology, time_limit) as endpoint:
        records = probe.try_all(endpoint, server.name)
    judged = probe.control("yurthub's multiplexer on the node's address", endpoint, records)
    found = {check.record.probe: check.finding for check in judged}
    assert found["none"] is found["foreign-ca"] is found["expired"] is Finding.LET_IN, records
