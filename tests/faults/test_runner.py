"""Running a plan: on time, in any disorder of threads, with a log that the seed decides."""

from __future__ import annotations

import threading
import time

import pytest

from edge_lab.core.step import Phase, StepEvent, listening
from edge_lab.faults.kinds import Cut, Fault, Kill
from edge_lab.faults.plan import Plan, load_plan, parse_plan
from edge_lab.faults.runner import (
    Clock,
    Engine,
    Outcome,
)
from tests.faults.fake_engine import (
    PLAN,
    ROOT,
    TOPOLOGY,
    FakeEngine,
    run,
)

slow = pytest.mark.slow(reason="runs a plan twenty times")


def latest(plan: Plan, engine: FakeEngine) -> float:
    """The most seconds of the plan by which a fault began or ended late; none may be early."""
    late = 0.0
    for (at, fault), planned in zip(
        sorted(engine.injected, key=lambda each: each[0]), plan.schedule(), strict=True
    ):
        assert planned.at_s <= at, fault.title
        late = max(late, at - planned.at_s)
    ends = dict(
        zip((fault for _, fault in engine.healed), (at for at, _ in engine.healed), strict=True)
    )
    for planned in plan.schedule():
        end = planned.at_s if planned.for_s is None else planned.ends_s
        assert end <= ends[planned.fault]
        late = max(late, ends[planned.fault] - end)
    return late


@pytest.mark.slow(reason="a plan runs in real time")
def test_faults_begin_and_end_on_time() -> None:
    plan = parse_plan(PLAN, TOPOLOGY)
    lateness = []
    for _ in range(8):  # a host that is busy for half a second makes it late by 20
        done, engine = run(plan, speed=40.0)
        lateness.append(latest(plan, engine))
        if lateness[-1] < 20.0:
            break
    assert min(lateness) < 20.0
    assert done.schedule == plan.schedule()
    assert done.seed == plan.seed
    assert [each.outcome for each in done.happened] == [Outcome.HEALED] * 4
    assert [record.id for record in done.records] == [1, 2, 3, 4]
    assert all(not record.active for record in done.records)


def test_the_fake_is_an_engine() -> None:
    engine: Engine = FakeEngine(Clock())
    assert engine.active() == engine.history() == ()


def test_a_slow_injection_makes_no_other_fault_late() -> None:
    killed = threading.Event()
    seen: list[bool] = []

    def slow(fault: Fault) -> None:
        if isinstance(fault, Cut):  # its effect is seen only when the kill has begun
            seen.append(killed.wait(20))
        elif isinstance(fault, Kill):
            killed.set()

    run(parse_plan(PLAN, TOPOLOGY), on_inject=slow)
    assert seen == [True]


def test_a_fault_waits_until_the_one_before_it_on_its_target_is_healed() -> None:
    def slow(fault: Fault) -> None:
        if isinstance(fault, Cut):
            time.sleep(0.2)  # the cure of the cut is slow to be seen: 80 s of the plan

    done, engine = run(parse_plan(PLAN, TOPOLOGY), on_heal=slow)
    assert engine.contradictions == []
    assert [each.outcome for each in done.happened] == [Outcome.HEALED] * 4
    begun = {fault.title: at for at, fault in engine.injected}
    assert begun["drop on arm-cloud"] > 40
    ended = {fault.title: at for at, fault in engine.healed}
    lasted = ended["drop on arm-cloud"] - begun["drop on arm-cloud"]
    assert lasted >= 10, "it lasts as long as if it had not had to wait"


def test_the_fake_notices_faults_that_contradict_each_other() -> None:
    engine = FakeEngine(Clock())
    engine.inject(Cut(link="arm-cloud"))
    engine.inject(Cut(link="arm-cloud"))
    assert engine.contradictions == ["cut on arm-cloud during cut on arm-cloud"]


@slow
def test_twenty_runs_with_one_seed_write_the_same_log() -> None:
    plan = load_plan(ROOT / "plans" / "random.yaml", TOPOLOGY, seed=5)
    logs = set()
    for _ in range(20):
        done, engine = run(plan, speed=10_000.0)
        assert engine.contradictions == []
        logs.add(done.log())
    assert len(logs) == 1
    other = load_plan(ROOT / "plans" / "random.yaml", TOPOLOGY, seed=6)
    assert run(other, speed=10_000.0)[0].log() not in logs


def test_the_log_holds_planned_times_and_outcomes_and_nothing_of_the_clock() -> None:
    done, _ = run(parse_plan(PLAN, TOPOLOGY, seed=4))
    assert done.log().splitlines() == [
        "plan test, seed 4",
        '5s\t30s\tcut\t{"link":"arm-cloud"}\tseen and healed',
        '5s\t30s\tdrop\t{"link":"riscv-cloud"}\tseen and healed',
        '10s\t\tkill\t{"node":"edge-arm","service":"kubelet.service"}\tseen and healed',
        '40s\t10s\tdrop\t{"link":"arm-cloud"}\tseen and healed',
    ]


def test_the_json_holds_the_records_too() -> None:
    told = run(parse_plan(PLAN, TOPOLOGY))[0].as_json()
    assert (told["plan"], told["seed"], told["lasts_s"]) == ("test", 0, 60.0)
    assert [each["outcome"] for each in told["faults"]] == ["seen and healed"] * 4
    assert [record["proof"] for record in told["records"]] == ["seen"] * 4


@pytest.mark.slow(reason="a plan runs in real time")
def test_steps_show_each_fault_below_the_plan_and_how_far_it_is() -> None:
    events: list[StepEvent] = []
    with listening(events.append):
        run(parse_plan(PLAN, TOPOLOGY), speed=60.0)
    (plan,) = (each for each in events if each.phase is Phase.START and each.parent is None)
    assert plan.title == "plan test, seed 0"
    shown = [each.title for each in events if each.parent == plan.id and each.phase is Phase.START]
    assert sorted(shown) == sorted(str(each) for each in parse_plan(PLAN, TOPOLOGY).schedule())
    told = [each for each in events if each.id == plan.id and each.phase is Phase.PROGRESS]
    assert told
    assert "of 1m" in told[0].detail
    assert all(each.done is not None and 0 <= each.done <= 1 for each in told)
    assert events[-1].phase is Phase.END
