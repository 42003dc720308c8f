"""One fault on the uplinks of all edge nodes at once: its effects, and the recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.evidence.recording import NodeSeen
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Directions, Flap, HalfOpen, Profile
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.oracles.autonomy import Expectation
from suites.edges import edges, until_lost, uplink
from suites.known import edgecore_waits_on_dead_connections
from suites.nodestate import hold_until_lost, unhealthy_nodes
from suites.passing import all_passed

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Network"), allure.feature("Uplink")]

BACK_SECONDS = 150.0


@pytest.mark.parametrize(
    "direction",
    [
        pytest.param("tx", marks=pytest.mark.scenario("one-way cut, edge to cloud")),
        pytest.param("rx", marks=pytest.mark.scenario("one-way cut, cloud to edge")),
    ],
)
@allure.title("A one-way cut ({direction}) is detected, and everything recovers")
def test_a_one_way_cut_is_noticed_and_passes(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, direction: Directions
) -> None:
    cuts = [Cut(link=uplink(lab, node), direction=direction) for node in edges(lab)]
    with autonomy.watching() as watch, faults.inflict_all(cuts):
        hold_until_lost(lab, watch)
    expect = Expectation(must_detect=True)
    all_passed([autonomy.judge(watch, node, expect) for node in edges(lab)])


@pytest.mark.scenario("half-open connections")
@edgecore_waits_on_dead_connections
@allure.title("Half-open connections are closed while the fault lasts")
def test_half_open_connections_are_given_up(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, time_limit: TimeLimit
) -> None:
    with (
        autonomy.watching() as watch,
        faults.inflict_all([HalfOpen(link=uplink(lab, node)) for node in edges(lab)]),
    ):
        # New connections work, so a node that closes its old ones needs no heal.
        autonomy.hold(until_lost(lab))
        away = unhealthy_nodes(lab, watch, time_limit(BACK_SECONDS))
    verdicts = [autonomy.judge(watch, node) for node in edges(lab)]
    assert not away, f"not recovered over new connections: {', '.join(away)}"
    all_passed(verdicts)


@pytest.mark.scenario("flapping link")
@allure.title("A flapping link costs no sample and no pod")
def test_a_flapping_link_costs_nothing(lab: Lab, faults: FaultEngine, autonomy: Autonomy) -> None:
    flaps = [
        Flap(link=uplink(lab, node), period_s=8, duty=0.5, count=5, jitter=0.25, seed=seed)
        for seed, node in enumerate(edges(lab))
    ]
    with autonomy.watching() as watch, faults.inflict_all(flaps):
        autonomy.hold(max(flap.period_s * flap.count for flap in flaps))
    all_passed([autonomy.judge(watch, node) for node in edges(lab)])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("3g", marks=pytest.mark.scenario("3G line")),
        pytest.param("geo", marks=pytest.mark.scenario("satellite line")),
    ],
)
@allure.title("Over a {line} line, nodes stay Ready and samples keep arriving")
def test_a_slow_line_keeps_the_edge_at_work(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, line: str
) -> None:
    slow = [Profile(link=uplink(lab, node), name=line) for node in edges(lab)]
    with autonomy.watching() as watch, faults.inflict_all(slow):
        autonomy.hold(until_lost(lab))
        still = {node: watch.recorder.newest(NodeSeen, node) for node in edges(lab)}
    for node, seen in still.items():
        assert seen is not None
        assert seen.ready == "True", f"{node} is {seen.ready} on a {line} line"
    all_passed([autonomy.judge(watch, node) for node in edges(lab)])
