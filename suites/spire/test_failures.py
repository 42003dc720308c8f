"""Agent and server killed, and a node that is put out of the trust domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.spire.names import AGENT_UNIT, SERVER_UNIT
from edge_lab.addons.workload.accounts import SAMPLER_ACCOUNT
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Kill
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from suites.spire.clients import Client, running_clients
from suites.spire.registry import Registry
from suites.spire.sights import server_time

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Workload identity"),
    allure.feature("Failures"),
    pytest.mark.needs("workload-identity"),
]

OWN = "spire-own"
BACK_SECONDS = 180.0
"""Until an agent gives identities again, after its start or the server's."""
ENDS_SECONDS = 120.0
"""Until an agent that was banned has noticed."""


def until_answered(client: Client, limit: TimeLimit) -> None:
    eventually(
        f"the agent on {client.node} gives identities",
        lambda: client.svid().ok,
        limit(BACK_SECONDS),
        every=1.0,
    )


@pytest.mark.scenario("SPIRE killed")
@pytest.mark.parametrize("part", ["agent", "server"])
@allure.title("The {part} is killed: samples go on under the same identity, and new ones are given")
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
        after = eventually(
            "the collector takes samples",
            lambda: (
                status
                if (status := workload.client.sampler_status(edge, time_limit(60))).handed / 1e9
                > killed
                else None
            ),
            time_limit(BACK_SECONDS),
            every=1.0,
        )
        assert after.started == before.started, "the sampler was started again"
        assert before.identity is not None
        assert after.identity is not None
        assert after.identity.id == before.identity.id
        let_in = clients[OWN].call()
        assert let_in.ok, str(let_in)


@pytest.mark.scenario("a node evicted")
@allure.title("Control: an evicted node attests anew by itself, since its certificate is good")
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
        measure("an evicted node back", back, unit="s", node=edge)
        until_answered(clients[OWN], time_limit)


@pytest.mark.scenario("a node banned")
@allure.title(
    "A banned node gives no more identities, and others do; the ban lifted, it does again"
)
def test_a_banned_node_gives_no_identities(
    lab: Lab, registry: Registry, edge: str, workload: Workload, time_limit: TimeLimit
) -> None:
    with running_clients(lab, {OWN: (edge, SAMPLER_ACCOUNT)}, time_limit) as clients:
        own = clients[OWN]
        until_answered(own, time_limit)
        with registry.banned(edge):
            eventually(
                f"the agent on {edge} gives no identities",
                lambda: not own.svid().ok,
                time_limit(ENDS_SECONDS),
                every=1.0,
            )
            # There is no revocation: who has an SVID keeps it to its end.
            status = workload.client.sampler_status(edge, time_limit(60))
            assert status.identity is not None
            # The control: the server and its own node's agent go on.
            assert registry.serves(lab.topology.server.name)
            assert not registry.serves(edge)
        until_answered(own, time_limit)


def until_attested(registry: Registry, node: str, limit: TimeLimit) -> None:
    eventually(
        f"{node} has attested anew",
        lambda: registry.knows(node),
        limit(BACK_SECONDS),
        every=1.0,
    )
