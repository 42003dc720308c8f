"""The schedule of a day, and its plan: each fits at any length."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.faults.plan import load_plan, parse_plan
from edge_lab.faults.schedule import Contradictions, Planned
from edge_lab.fixtures.plantday import DEFAULT_MINUTES, LEAST_MINUTES
from edge_lab.topology import Topology, parse_topology
from suites.plantday.day import BAD_MODEL, DAY, QUIET, Action, Day
from suites.plantday.dayplan import FILE, plan_of_day
from tests.budget import examples
from tests.conftest import LABS
from tests.plantday.madeup import TOPOLOGY

pytest_plugins = ["pytester"]

FAMILIES = {"link", "node", "device", "memory"}


def small() -> Topology:
    """The lab without its riscv64 node."""
    text = (LABS / "plant-day.yaml").read_text(encoding="utf-8")
    return parse_topology("\n".join(line for line in text.splitlines() if "riscv" not in line))


def links_of(planned: Planned) -> frozenset[str]:
    return planned.fault.scope.links | planned.fault.scope.devices


# -- activities ------------------------------------------------------------------------------------


def test_each_activity_is_in_the_part_of_the_day_that_has_faults() -> None:
    for activity in DAY:
        assert 0 < activity.at < activity.until <= QUIET


def test_slots_follow_one_another() -> None:
    for earlier, later in pairwise(DAY):
        assert earlier.until <= later.at + 1e-9, f"{earlier} and {later}"


def test_what_is_bad_is_followed_by_what_is_good() -> None:
    actions = [activity.action for activity in DAY]
    assert actions.index(Action.PUSH_BAD) < len(actions) - 1 - actions[::-1].index(Action.PUSH)
    assert actions.index(Action.UPDATE_BAD) < len(actions) - 1 - actions[::-1].index(Action.UPDATE)


# -- faults ----------------------------------------------------------------------------------------


def test_the_plan_of_an_hour_is_that_of_the_file() -> None:
    plan = plan_of_day(Day(DEFAULT_MINUTES), TOPOLOGY)
    assert plan.left_out == ()
    written = load_plan(FILE, TOPOLOGY)
    assert [planned.fault for planned in plan.planned] == [
        planned.fault for planned in written.schedule()
    ]
    assert [planned.at_s for planned in plan.planned] == [
        planned.at_s for planned in written.schedule()
    ]


@settings(max_examples=examples(30), deadline=None)
@given(
    minutes=st.integers(LEAST_MINUTES, 480),
    topology=st.sampled_from([TOPOLOGY, small()]),
)
def test_a_day_of_any_length_has_a_plan_that_fits(minutes: int, topology: Topology) -> None:
    day = Day(minutes)
    plan = plan_of_day(day, topology)
    assert plan == plan_of_day(day, topology)
    assert {planned.fault.family for planned in plan.planned} == FAMILIES
    assert max(planned.ends_s for planned in plan.planned) <= day.at(QUIET)
    contradictions = Contradictions(topology)
    assert not any(contradictions.between(*pair) for pair in combinations(plan.planned, 2))
    # As the fixture `chaos` reads it.
    assert parse_plan(plan.text(), topology).schedule() == plan.planned


@settings(max_examples=examples(30), deadline=None)
@given(minutes=st.integers(LEAST_MINUTES, 480))
def test_a_bad_model_meets_whole_uplinks_and_devices(minutes: int) -> None:
    day = Day(minutes)
    begin, end = map(day.at, BAD_MODEL)
    tried = [
        planned
        for planned in plan_of_day(day, TOPOLOGY).planned
        if links_of(planned) or planned.fault.fault == "reboot"
        if planned.at_s < end and planned.ends_s > begin
    ]
    assert tried == []


@pytest.mark.parametrize("minutes", [LEAST_MINUTES, DEFAULT_MINUTES, 240])
def test_a_node_loses_its_power_once_while_the_cloud_is_away(minutes: int) -> None:
    plan = plan_of_day(Day(minutes), TOPOLOGY)
    (reset,) = [planned for planned in plan.planned if planned.fault.fault == "reboot"]
    (cut,) = [planned for planned in plan.planned if "server-cloud" in planned.fault.scope.links]
    assert cut.at_s < reset.at_s < reset.ends_s < cut.ends_s
    assert reset.reserved_s >= reset.fault.least_s


def test_a_push_meets_a_silent_git_server() -> None:
    for minutes in (LEAST_MINUTES, DEFAULT_MINUTES, 240):
        day = Day(minutes)
        (silent,) = [
            planned
            for planned in plan_of_day(day, TOPOLOGY).planned
            if planned.fault.fault == "freeze"
            if "server" in planned.fault.scope.nodes
        ]
        assert any(
            silent.at_s < day.at(activity.at) < silent.ends_s < day.at(activity.until)
            for activity in DAY
        )


def test_a_model_is_updated_over_a_satellite_line_and_its_agents_are_killed_meanwhile() -> None:
    for minutes in (LEAST_MINUTES, DEFAULT_MINUTES, 240):
        day = Day(minutes)
        planned = plan_of_day(day, TOPOLOGY).planned
        (line,) = [fault for fault in planned if getattr(fault.fault, "name", "") == "geo"]
        update = next(activity for activity in DAY if activity.action is Action.UPDATE)
        assert day.at(update.at) < line.ends_s < day.at(BAD_MODEL[0])
        kills = [
            fault
            for fault in planned
            if getattr(fault.fault, "service", "") == "edge-lab-models-agent.service"
        ]
        assert len(kills) == 2
        assert all(line.at_s < kill.at_s < line.ends_s for kill in kills)


def test_source_controller_is_killed_while_the_git_server_is_silent() -> None:
    for minutes in (LEAST_MINUTES, DEFAULT_MINUTES, 240):
        planned = plan_of_day(Day(minutes), TOPOLOGY).planned
        at = {getattr(fault.fault, "service", ""): fault for fault in planned}
        silent, kill = at["edge-gitserver.service"], at["source-controller.service"]
        assert silent.at_s < kill.at_s < silent.ends_s


def test_what_a_smaller_lab_lacks_is_said() -> None:
    plan = plan_of_day(Day(LEAST_MINUTES), small())
    assert any("edge-riscv" in line for line in plan.left_out)
    assert not any("riscv" in planned.fault.title for planned in plan.planned)


# -- the option ------------------------------------------------------------------------------------

MODULE = """
def test_it(day_minutes):
    assert day_minutes == {}
"""


@pytest.mark.parametrize(
    ("options", "minutes", "outcome"),
    [
        ((), 60, "passed"),
        (("--lab-day-minutes=12",), 12, "passed"),
        (("--lab-day-minutes=11",), 11, "errors"),
    ],
)
def test_the_length_is_an_option(
    pytester: pytest.Pytester, options: tuple[str, ...], minutes: int, outcome: str
) -> None:
    pytester.makeconftest("pytest_plugins = ['edge_lab.fixtures.plantday']\n")
    pytester.makepyfile(MODULE.format(minutes))
    result = pytester.runpytest("-p", "no:cacheprovider", *options)
    result.assert_outcomes(**{outcome: 1})
