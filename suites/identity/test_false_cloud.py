"""The edge refuses a cloud that presents a wrong certificate, and sends it nothing."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.falseclouds import dialled
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.identity import Finding
from edge_lab.probes.cloudclient import CloudClient
from suites.identity.planted import insecure_client

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("False cloud")]

DIAL_SECONDS = 240.0
"""Seconds for a client to connect once for each certificate; yurthub does at each heartbeat."""
READY_SECONDS = 180.0
HEALTHY = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=10)"


def clients_of(lab: Lab, node: str) -> list[CloudClient]:
    found = [client for client in lab.platform.cloud_clients(lab.topology) if client.node == node]
    if not found:
        raise MissingCapability(f"the stack {lab.stack_name} declares no clients of the cloud")
    return found


def is_ready(lab: Lab, node: str) -> bool:
    return any(status.name == node and status.ready for status in lab.status().nodes)


def works(lab: Lab, client: CloudClient, deadline: Deadline) -> bool:
    """By its own health check."""
    command = f"python3 -I -c {shlex.quote(HEALTHY)} {shlex.quote(client.health_url)}"
    return lab.machine(client.node).run(command, deadline, check=False).returncode == 0


@allure.story("Probes")
@allure.title("Clients of {edge_node} refuse a false cloud")
@pytest.mark.scenario("false cloud")
def test_each_client_refuses_a_false_cloud(
    lab: Lab, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    verdicts = []
    for client in clients_of(lab, edge_node.name):
        records = dialled(lab, client, probe.authority(client.domain), DIAL_SECONDS)
        verdicts.append(probe.judge(edge_node.name, [client.as_endpoint()], records))
    limit = time_limit(READY_SECONDS)
    limit.wait_for(f"{edge_node.name} is Ready again", lambda: is_ready(lab, edge_node.name))
    for client in clients_of(lab, edge_node.name):
        if client.health_url:
            limit.wait_for(f"{client.id} works again", partial(works, lab, client, limit))
    failed = [str(verdict) for verdict in verdicts if not verdict.passed]
    assert not failed, "\n".join(failed)


@allure.story("Control")
@allure.title("Each certificate fails for a client on {edge_node} that verifies nothing (control)")
def test_a_client_that_verifies_nothing_is_red(
    lab: Lab, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    client = clients_of(lab, edge_node.name)[0]
    with insecure_client(edge_node, client, time_limit) as unit:
        insecure = replace(client, name="insecure client", unit=unit)
        records = dialled(lab, insecure, probe.authority(client.domain), DIAL_SECONDS)
    judged = probe.control("a client that verifies nothing", insecure.as_endpoint(), records)
    found = {check.record.probe: check.finding for check in judged}
    assert found.pop("server") is Finding.PASS, records
    assert found
    assert {name: finding for name, finding in found.items() if finding is not Finding.LET_IN} == {}
