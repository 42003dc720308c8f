"""How long identities last on a node without a connection to the server."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import account_id
from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.deadline import Deadline
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from suites.edges import is_ready, uplink
from suites.spire.clients import running_clients
from suites.spire.observations import Observed, offline_problems, server_time, until_time
from suites.spire.registry import Registry
from suites.spire.waits import (
    BACK_SECONDS,
    BRIEF,
    BRIEF_LIFE,
    RENEWED_SECONDS,
    until_handed,
    until_known,
    until_renewed,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Workload identity"),
    allure.feature("Offline"),
    pytest.mark.needs("workload-identity"),
]

AGENT_LIFE = timedelta(seconds=180)
"""Of the agent's own SVID, likewise."""


@pytest.mark.scenario("SVIDs while the uplink is cut")
@allure.title(
    "SVIDs rotate while the server is reachable; while it is not, the last one is served "
    "until it expires"
)
def test_svids_last_to_their_end_and_rotate_after_the_heal(
    lab: Lab,
    registry: Registry,
    edge: str,
    faults: FaultEngine,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    seconds = int(BRIEF_LIFE.total_seconds())
    with (
        running_clients(lab, {BRIEF: (edge, BRIEF)}, time_limit) as clients,
        registry.entry(BRIEF, edge, account_id(NAMESPACE, BRIEF), BRIEF, seconds),
    ):
        client = clients[BRIEF]
        until_known(client, time_limit)
        first = client.svid().shown()
        # The control: with the server reachable it is renewed before it expires.
        second = until_renewed(client, first, time_limit)
        assert second.not_after > first.not_after
        with faults.inflict(Cut(link=uplink(lab, edge))):
            began = server_time(lab, time_limit)
            last = client.svid().shown()
            observed: list[Observed] = []
            until_time(
                lab,
                last.not_after + 5,
                time_limit,
                lambda: observed.append(Observed(server_time(lab, time_limit), client.svid())),
            )
        healed = server_time(lab, time_limit)
        promised = Lifetimes().promised(BRIEF_LIFE)
        assert offline_problems(last, observed) == []
        good_for = last.not_after - began
        measure(
            "SVID valid for, offline",
            good_for,
            unit="s",
            better="higher",
            node=edge,
            evidence=f"promised {promised.total_seconds():.0f} s of {seconds} s",
        )
        assert good_for >= promised.total_seconds()
        renewed = until_renewed(client, last, time_limit)
        measure(
            "SVID renewed after the heal",
            server_time(lab, time_limit) - healed,
            unit="s",
            better="lower",
            node=edge,
        )
        assert renewed.serial != last.serial
    _until_ready(lab, edge, time_limit)


@pytest.mark.scenario("SPIRE agent without its server")
@allure.title(
    "Without its server, an agent exits when its own SVID expires, not before, and recovers "
    "by itself"
)
def test_an_agent_lasts_as_long_as_its_own_svid(
    lab: Lab,
    registry: Registry,
    edge: str,
    faults: FaultEngine,
    workload: Workload,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    def serves() -> bool:
        return registry.serves(edge)

    def serial() -> str:
        identity = workload.client.sampler_status(edge, time_limit(60)).identity
        assert identity is not None
        return identity.serial

    lifetimes = Lifetimes(agent=AGENT_LIFE)
    earlier = serial()
    with registry.lifetimes(lifetimes, [edge]):
        eventually("the agent serves", serves, time_limit(RENEWED_SECONDS), every=1.0)
        # An agent without its old state issues a new SVID to each pod, which may take a moment.
        eventually(
            "the sampler has another SVID",
            lambda: serial() != earlier,
            time_limit(RENEWED_SECONDS),
            every=1.0,
        )
        before = serial()
        with faults.inflict(Cut(link=uplink(lab, edge))):
            began = server_time(lab, time_limit)
            # The control: at once it is as before.
            assert serves(), "the agent exits as soon as its server is unreachable"
            eventually(
                "the agent exits when its SVID expires",
                lambda: not serves(),
                Deadline.after(AGENT_LIFE.total_seconds() + time_limit(120).total),
                every=1.0,
            )
            lasted = server_time(lab, time_limit) - began
            # A sampler that has its SVID keeps it.
            assert serial() == before
        healed = server_time(lab, time_limit)
        promised = lifetimes.promised(AGENT_LIFE).total_seconds()
        measure(
            "agent keeps serving, offline",
            lasted,
            unit="s",
            better="higher",
            node=edge,
            evidence=f"promised {promised:.0f} s of {AGENT_LIFE.total_seconds():.0f} s",
        )
        assert lasted >= promised
        eventually("the agent serves again", serves, time_limit(RENEWED_SECONDS), every=1.0)
        back = server_time(lab, time_limit) - healed
        measure("agent recovered after the heal", back, unit="s", better="lower", node=edge)
        until_handed(workload, edge, healed, time_limit)
    eventually("the agent serves", serves, time_limit(RENEWED_SECONDS), every=1.0)
    _until_ready(lab, edge, time_limit)


def _until_ready(lab: Lab, node: str, limit: TimeLimit) -> None:
    eventually(f"{node} is Ready", partial(is_ready, lab, node, limit), limit(BACK_SECONDS))
