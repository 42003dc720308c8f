"""The verdicts of a day: what passes, and each planted defect, which turns its part red."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.models.records import Requests
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import NodeMemorySeen
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.oracles.verdict import Verdict
from suites.plantday import judging
from suites.plantday.controls import PLANTED, assert_controls, leaking, missed_defects
from suites.plantday.evidence import DayEvidence
from suites.plantday.judging import PARTS, TWIN_LATE_SECONDS, Part, judge_day, judge_whole
from suites.plantday.memory import judge_node_memory
from tests.plantday import scenes
from tests.plantday.madeup import EDGES, FAULTS, LIMIT, SECONDS, SERVER, STACK, at, boots
from tests.plantday.memoryscenes import memory


def judged(day: DayEvidence) -> tuple[Part, ...]:
    return judge_day(day, scenes.samples(), LIMIT)


def whole(day: DayEvidence) -> Verdict:
    return judge_whole(judged(day), STACK, faults=len(day.faults), actions=len(day.done))


def test_a_day_without_a_loss_passes_in_all_parts() -> None:
    verdict = whole(scenes.day())
    assert verdict.passed, str(verdict)
    assert [part.name for part in judged(scenes.day())] == list(PARTS)


@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_defect_turns_its_part_red_and_the_whole_day(defect: str) -> None:
    part, alter = PLANTED[defect]
    harmed = alter(scenes.day())
    assert [found.name for found in judged(harmed) if not found.passed] == [part]
    assert not whole(harmed).passed


def test_a_lost_sample_turns_the_day_red() -> None:
    (first, *others) = scenes.samples()
    lost = replace(first, problems=("boiler: 1 samples are lost",))
    parts = judge_day(scenes.day(), [lost, *others], LIMIT)
    assert [part.name for part in parts if not part.passed] == [judging.SAMPLES]


@pytest.mark.parametrize("gone", ["fleet", "functions", "metrics", "models", "twins", "memory"])
def test_a_part_without_evidence_does_not_pass(gone: str) -> None:
    verdict = whole(replace(scenes.day(), **{gone: ()}))  # type: ignore[arg-type]
    assert any("no evidence" in problem for problem in verdict.problems)


def test_a_node_whose_device_shows_no_steps_is_no_evidence() -> None:
    served = scenes.served(EDGES[0])
    empty = replace(served, day=replace(served.day, steps=(), requests=Requests()))
    assert any("no evidence: 0 requests" in text for text in judging.judge_served(empty).problems)


def test_a_day_on_which_nothing_happened_is_no_evidence() -> None:
    parts = judged(scenes.day())
    assert not judge_whole(parts, STACK, faults=0, actions=5).passed
    assert not judge_whole(parts, STACK, faults=5, actions=0).passed
    assert not judge_whole(parts[:-1], STACK, faults=5, actions=5).passed


def test_the_controls_of_a_run_find_all_defects() -> None:
    day = scenes.day()
    assert missed_defects(day, scenes.samples(), LIMIT, TWIN_LATE_SECONDS) == []
    assert_controls(day, scenes.samples(), scenes.recording(), LIMIT, TWIN_LATE_SECONDS)


def test_a_verdict_that_notices_nothing_is_an_error_of_the_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blind = tuple(Part(name, (Verdict(EDGES[0], STACK),)) for name in PARTS)
    monkeypatch.setattr("suites.plantday.controls.judge_day", lambda *_, **__: blind)
    with pytest.raises(LabError, match="no control"):
        assert_controls(
            scenes.day(), scenes.samples(), scenes.recording(), LIMIT, TWIN_LATE_SECONDS
        )


# -- what the plan explains ------------------------------------------------------------------------


def test_a_boot_of_the_plan_explains_another_start_and_a_boot_of_nobodys_does_not() -> None:
    fleet = scenes.fleet("edge-arm")
    assert judging.judge_fleet(fleet).passed
    verdict = judging.judge_fleet(replace(fleet, boots=()))
    assert len(verdict.problems) == 2, str(verdict)  # of each part
    found = memory("edge-arm")
    (problem,) = judge_node_memory(replace(found, faults=())).problems[-1:]
    assert "has booted 1 times" in problem
    (problem,) = judge_node_memory(replace(found, boots_seen=2)).problems
    assert "has booted 2 times" in problem
    (problem,) = judge_node_memory(replace(found, settled=None)).problems
    assert problem.startswith("no evidence")


def planned_kills(node: str) -> tuple[FaultRecord, ...]:
    """Kills by the plan; on a node that it resets, those after the boot."""
    up = max((end for _, end in boots(node)), default=0.0)
    return tuple(
        record
        for record in FAULTS
        if record.fault.fault == "kill" and node in record.fault.scope.nodes
        if record.began > up * NANOSECONDS
    )


KILLS = [(node, record) for node in (*EDGES, SERVER) for record in planned_kills(node)]


def unit_of(record: FaultRecord) -> str:
    return str(getattr(record.fault, "service", ""))


def test_the_plan_kills_a_unit_of_each_part_that_acts_on_its_own() -> None:
    assert {unit_of(record) for _, record in KILLS} == {
        "edge-lab-functions-activator.service",
        "edge-lab-functions-broker.service",
        "edge-lab-models-agent.service",
        "kustomize-controller.service",
        "source-controller.service",
    }


@pytest.mark.parametrize(
    ("node", "kill"), KILLS, ids=[f"{node} {unit_of(record)}" for node, record in KILLS]
)
def test_a_kill_of_the_plan_explains_one_restart_of_its_unit(node: str, kill: FaultRecord) -> None:
    found = memory(node)
    assert judge_node_memory(found).passed, str(judge_node_memory(found))
    without = tuple(record for record in found.faults if record is not kill)
    assert judge_node_memory(replace(found, faults=without)).problems == (
        f"{unit_of(kill)} was restarted 1 times; the plan has killed it 0 times",
    )


def test_a_kill_that_is_in_progress_at_the_first_look_explains_one_restart() -> None:
    node = "edge-riscv"
    found = memory(node)
    kill = min(planned_kills(node), key=lambda record: record.began)
    assert kill.seen is not None
    assert kill.healed is not None
    during, later = (
        judge_node_memory(replace(found, began=looked / NANOSECONDS))
        for looked in (kill.seen, kill.healed + NANOSECONDS)
    )
    assert during.passed, str(during)
    assert f"{unit_of(kill)} was restarted 1 times" in later.problems[0]


def test_an_older_revision_after_a_newer_one_is_found() -> None:
    fleet = scenes.fleet("edge-riscv")
    first, second, *_ = [run for run in fleet.runs if run.part == "agent"]
    assert second.ended is not None
    back = replace(first, began=second.ended + 0.1, ended=second.ended + 0.5)
    verdict = judging.judge_fleet(
        replace(fleet, runs=tuple(sorted((*fleet.runs, back), key=lambda run: run.began)))
    )
    assert any("went back" in problem for problem in verdict.problems)


def test_a_bad_revision_that_ran_is_found() -> None:
    fleet = scenes.fleet("edge-riscv")
    bad = next(made.name for made in fleet.made if made.bad)
    stray = replace(fleet.runs[0], revision=bad, began=at(300), ended=at(301))
    verdict = judging.judge_fleet(replace(fleet, runs=(*fleet.runs, stray)))
    assert any("cannot be applied" in problem for problem in verdict.problems)


def test_samples_that_were_taken_long_before_a_loss_of_power_are_not_excused() -> None:
    found = scenes.metrics("edge-arm")
    assert judging.judge_metrics(found).passed, str(judging.judge_metrics(found))
    (boot, *_) = boots("edge-arm")
    early = [sample.number for sample in found.served if sample.time < (boot[0] - 120) * 1e9][-1]
    stored = tuple(sample for sample in found.stored if sample.number != early)
    assert not judging.judge_metrics(replace(found, stored=stored)).passed


def test_a_leak_is_found_on_each_node_and_a_node_with_few_readings_is_no_evidence() -> None:
    for node in (*EDGES, SERVER):
        found = memory(node)
        assert judge_node_memory(found).passed
        assert any("grows" in line for line in judge_node_memory(leaking(found)).problems)
        few = judge_node_memory(replace(found, readings=found.readings[:5]))
        assert any("no evidence" in problem for problem in few.problems)


def test_what_fills_once_and_stays_does_not_grow() -> None:
    found = memory(SERVER)
    begun = found.readings[0].time

    def filled(seen: NodeMemorySeen) -> NodeMemorySeen:
        share = min(1.0, (seen.time - begun) / (SECONDS / 2 * 1e9))
        parts = tuple(
            part.model_copy(update={"mib": part.mib * (1 + share)}) for part in seen.parts
        )
        return seen.model_copy(update={"parts": parts})

    once = replace(found, readings=tuple(map(filled, found.readings)))
    assert judge_node_memory(once).passed, str(judge_node_memory(once))
    assert not judge_node_memory(leaking(once)).passed
