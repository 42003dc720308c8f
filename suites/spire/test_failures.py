"""Agent and server are killed, and a node is removed from the trust domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.spire.names import AGENT_UNIT, SERVER_UNIT, account_id
from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.accounts import SAMPLER_ACCOUNT
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import DiskFull, Kill
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from suites.spire.clients import running_clients
from suites.spire.observations import server_time
from suites.spire.registry import Registry
from suites.spire.waits import (
    BACK_SECONDS,
    BRIEF,
    BRIEF_LIFE,
    until_answered,
    until_handed,
    until_known,
    until_renewed,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Workload identity"),
    allure.feature("Failures"),
    pytest.mark.needs("workload-identity"),
]

OWN = "spire-own"
UNSTORED = "spire-unstored"
"""An entry for a server with a full disk."""
SQLITE_FULL = "database or disk is full"
"""SQLite's text for SQLITE_FULL (13), the only part of it in the server's response."""
ENDS_SECONDS = 120.0
"""Seconds until a banned agent has noticed."""


@pytest.mark.scenario("SPIRE killed")
@pytest.mark.parametrize("part", ["agent", "server"])
@allure.title(
    "The {part} is killed: samples keep arriving with the same identity, and new ones are issued"
)
def test_a_killed_part_costs_no_sample(
    lab: Lab,
    edge: str,
    part: str,
    faults: FaultEngine,
    workload: Workload,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    node, unit = (edge, AGENT_UNIT) if part == "agent" else (lab.topology.server.name, SERVER_UNIT)
    with running_clients(lab, {OWN: (edge, SAMPLER_ACCOUNT)}, time_limit) as clients:
        until_answered(clients[OWN], time_limit)
        before = workload.client.sampler_status(edge, time_limit(60))
        with faults.inflict(Kill(node=node, service=unit)):
            killed = server_time(lab, time_limit)
        until_answered(clients[OWN], time_limit)
        back = server_time(lab, time_limit) - killed
        measure(f"identities again after the {part} was killed", back, unit="s", better="lower")
        until_handed(workload, edge, killed, time_limit)
        after = workload.client.sampler_status(edge, time_limit(60))
        assert after.started == before.started, "the sampler was restarted"
        assert before.identity is not None
        assert after.identity is not None
        assert after.identity.id == before.identity.id
        let_in = clients[OWN].call()
        assert let_in.ok, str(let_in)


@pytest.mark.scenario("SPIRE server's disk full")
@pytest.mark.usefixtures("saved_lab")
@allure.title(
    "The SPIRE server's disk is full: SVIDs are renewed all the same, entries are refused"
)
def test_a_full_disk_of_the_server_costs_no_sample(
    lab: Lab,
    registry: Registry,
    edge: str,
    faults: FaultEngine,
    workload: Workload,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    server = lab.topology.server.name
    seconds = int(BRIEF_LIFE.total_seconds())
    with (
        registry.own_volume() as volume,
        running_clients(lab, {BRIEF: (edge, BRIEF)}, time_limit) as clients,
        registry.entry(BRIEF, edge, account_id(NAMESPACE, BRIEF), BRIEF, seconds),
    ):
        client = clients[BRIEF]
        until_known(client, time_limit)
        # The control: with free disk space the server registers.
        assert registry.refuses_entries(UNSTORED, edge) == ""
        with faults.inflict(DiskFull(node=server, path=volume)):
            full = server_time(lab, time_limit)
            refused = registry.refuses_entries(UNSTORED, edge)
            assert SQLITE_FULL in refused, refused or "the server still registers"
            last = client.svid().shown()
            renewed = until_renewed(client, last, time_limit)
            assert renewed.not_after > last.not_after
            until_handed(workload, edge, full, time_limit)
        healed = server_time(lab, time_limit)
        eventually(
            "the server registers again",
            lambda: registry.refuses_entries(UNSTORED, edge) == "",
            time_limit(BACK_SECONDS),
            every=1.0,
        )
        back = server_time(lab, time_limit) - healed
        measure("SPIRE server registers after its disk was full", back, unit="s", better="lower")
    until_handed(workload, edge, healed, time_limit)


@pytest.mark.scenario("SPIRE: evicted node")
@allure.title(
    "An evicted node attests again by itself, since its certificate is still valid (control)"
)
def test_an_evicted_node_comes_back(
    lab: Lab,
    registry: Registry,
    edge: str,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    with running_clients(lab, {OWN: (edge, SAMPLER_ACCOUNT)}, time_limit) as clients:
        until_answered(clients[OWN], time_limit)
        registry.evict(edge)
        evicted = server_time(lab, time_limit)
        until_attested(registry, edge, time_limit)
        back = server_time(lab, time_limit) - evicted
        measure("evicted node attested again after", back, unit="s", node=edge)
        until_answered(clients[OWN], time_limit)


@pytest.mark.scenario("SPIRE: banned node")
@allure.title(
    "A banned node issues no identities, and others do; after the ban it issues them again"
)
def test_a_banned_node_gives_no_identities(
    lab: Lab, registry: Registry, edge: str, workload: Workload, time_limit: TimeLimit
) -> None:
    with running_clients(lab, {OWN: (edge, SAMPLER_ACCOUNT)}, time_limit) as clients:
        own = clients[OWN]
        until_answered(own, time_limit)
        with registry.banned(edge):
            eventually(
                f"the agent on {edge} issues no identities",
                lambda: not own.svid().ok,
                time_limit(ENDS_SECONDS),
                every=1.0,
            )
            # There is no revocation: SVIDs stay valid until they expire.
            status = workload.client.sampler_status(edge, time_limit(60))
            assert status.identity is not None
            # The control: the server and its own node's agent still work.
            assert registry.serves(lab.topology.server.name)
            assert not registry.serves(edge)
        until_answered(own, time_limit)


def until_attested(registry: Registry, node: str, limit: TimeLimit) -> None:
    eventually(
        f"{node} has attested again",
        lambda: registry.knows(node),
        limit(BACK_SECONDS),
        every=1.0,
    )
