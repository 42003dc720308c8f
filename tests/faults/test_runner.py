"""Running a plan: on time, in any disorder of threads, and always healed at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.interrupts import endings
from edge_lab.core.step import Phase, StepEvent, listening
from edge_lab.faults.kinds import Cut, Fault, Kill
from edge_lab.faults.plan import Plan, load_plan, parse_plan
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.runner import (
    Clock,
    Engine,
    Outcome,
    PlanFailed,
    PlanRun,
    run_plan,
    running_plan,
)
from edge_lab.topology import load_topology

ROOT = Path(__file__).resolve().parents[2]
TOPOLOGY = load_topology(ROOT / "labs" / "default.yaml")

SPEED = 400.0
"""Of the plan's clock: a minute is 0.15 s."""

PLAN = """\
name: test
lasts: 60s
faults:
  - {fault: cut, link: arm-cloud, at: 5s, for: 30s}
  - {fault: drop, link: riscv-cloud, at: 5s, for: 30s}
  - {fault: kill, node: edge-arm, service: kubelet.service, at: 10s}
  - {fault: drop, link: arm-cloud, at: 40s, for: 10s}
"""


def long_plan() -> Plan:
    """One that does not end by itself while a test waits: it takes 90 s of the host."""
    text = PLAN.replace("60s", "10h").replace("30s", "8h").replace("40s", "9h")
    return parse_plan(text, TOPOLOGY)


class FakeEngine:
    """An engine that only keeps a book, and watches that it is used as it may be."""

    def __init__(
        self,
        clock: Clock,
        *,
        on_inject: Callable[[Fault], None] = lambda fault: None,
        on_heal: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        self._clock = clock
        self._on_inject, self._on_heal = on_inject, on_heal
        self._lock = threading.Lock()
        self._records: dict[int, FaultRecord] = {}
        self.injected: list[tuple[float, Fault]] = []
        self.healed: list[tuple[float, Fault]] = []
        self.contradictions: list[str] = []

    def inject(self, fault: Fault) -> FaultRecord:
        with self._lock:
            for other in self._in_force():
                if other.fault.targets & fault.targets:
                    self.contradictions.append(f"{fault.title} during {other.fault.title}")
            self.injected.append((self._clock.now, fault))
            record = FaultRecord(id=len(self._records) + 1, fault=fault, began=1)
            self._records[record.id] = record
        try:
            self._on_inject(fault)
        except LabError:
            with self._lock:  # as the real one: nothing of it is left then
                self._records[record.id] = record.model_copy(update={"healed": 1})
            raise
        return self._enter(record.model_copy(update={"seen": 2, "proof": "seen"}))

    def heal(self, record: FaultRecord) -> FaultRecord:
        self._on_heal(record.fault)
        self.healed.append((self._clock.now, record.fault))
        return self._enter(record.model_copy(update={"healed": 3, "cure": "gone"}))

    def _enter(self, record: FaultRecord) -> FaultRecord:
        with self._lock:
            self._records[record.id] = record
        return record

    def _in_force(self) -> tuple[FaultRecord, ...]:
        return tuple(each for each in self._records.values() if each.in_force)

    def in_force(self) -> tuple[FaultRecord, ...]:
        with self._lock:
            return self._in_force()

    def history(self) -> tuple[FaultRecord, ...]:
        with self._lock:
            return tuple(self._records.values())


def run(
    plan: Plan, speed: float = SPEED, **hooks: Callable[[Fault], None]
) -> tuple[PlanRun, FakeEngine]:
    clock = Clock(speed)
    engine = FakeEngine(clock, **hooks)
    return run_plan(plan, engine, deadline=Deadline.after(100_000), clock=clock), engine


def failure(plan: Plan, **hooks: Callable[[Fault], None]) -> tuple[PlanFailed, FakeEngine]:
    clock = Clock(SPEED)
    engine = FakeEngine(clock, **hooks)
    with pytest.raises(PlanFailed) as caught:
        run_plan(plan, engine, deadline=Deadline.after(100_000), clock=clock)
    return caught.value, engine


def test_faults_begin_and_end_on_time() -> None:
    plan = parse_plan(PLAN, TOPOLOGY)
    done, engine = run(plan, speed=40.0)
    late = 20.0  # seconds of the plan, half a second of the host, which may be busy
    for (at, fault), planned in zip(
        sorted(engine.injected, key=lambda each: each[0]), plan.schedule(), strict=True
    ):
        assert planned.at_s <= at < planned.at_s + late, fault.title
    ends = dict(
        zip((fault for _, fault in engine.healed), (at for at, _ in engine.healed), strict=True)
    )
    for planned in plan.schedule():
        begin = planned.at_s if planned.for_s is None else planned.ends_s
        assert begin <= ends[planned.fault] < begin + late
    assert done.schedule == plan.schedule()
    assert done.seed == plan.seed
    assert [each.outcome for each in done.happened] == [Outcome.HEALED] * 4
    assert [record.id for record in done.records] == [1, 2, 3, 4]
    assert all(not record.in_force for record in done.records)


def test_the_fake_is_an_engine() -> None:
    engine: Engine = FakeEngine(Clock())
    assert engine.in_force() == engine.history() == ()


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


# -- the log ----------------------------------------------------------------------------------


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


# -- whatever happens, all is healed ------------------------------------------------------------


def fails_at(title: str, trouble: BaseException) -> Callable[[Fault], None]:
    def fail(fault: Fault) -> None:
        if fault.title == title:
            raise trouble

    return fail


@pytest.mark.parametrize(
    "trouble", [LabError("no effect was seen", remedy="Look."), RuntimeError("a bug")]
)
def test_when_an_injection_fails_the_others_are_healed_at_once_and_then_it_is_told(
    trouble: Exception,
) -> None:
    others = threading.Barrier(3)  # the cut, the drop, and the kill that fails

    def fail(fault: Fault) -> None:
        others.wait(20)
        if isinstance(fault, Kill):
            raise trouble

    before = time.monotonic()
    failed, engine = failure(long_plan(), on_inject=fail)
    assert time.monotonic() - before < 5
    assert engine.in_force() == ()
    assert failed.__cause__ is trouble
    assert str(failed).startswith("kubelet.service killed on edge-arm at 10s: ")
    assert "all is healed" in failed.message
    assert failed.exit_code == 3
    outcomes = [each.outcome for each in failed.run.happened]
    assert outcomes[:2] == [Outcome.HEALED, Outcome.HEALED]
    assert outcomes[3] is Outcome.NOT_BEGUN
    if isinstance(trouble, LabError):
        assert outcomes[2] is Outcome.NOT_SEEN
        assert failed.remedy == "Look."


def test_a_heal_that_fails_once_is_tried_again_and_told() -> None:
    tries: list[str] = []

    def once(fault: Fault) -> None:
        if isinstance(fault, Cut):
            tries.append(fault.title)
            if len(tries) == 1:
                raise LabError("no cure was seen")

    failed, engine = failure(parse_plan(PLAN, TOPOLOGY), on_heal=once)
    assert engine.in_force() == ()
    assert "no cure was seen; all is healed" in failed.message
    assert failed.run.happened[0].outcome is Outcome.HEALED


def test_what_cannot_be_healed_is_named_and_the_rest_is_healed() -> None:
    others = threading.Barrier(3)  # the cut, the drop, and the kill that ends the plan

    def fail(fault: Fault) -> None:
        others.wait(20)
        if isinstance(fault, Kill):
            raise LabError("no effect was seen")

    failed, engine = failure(
        long_plan(),
        on_inject=fail,
        on_heal=fails_at("cut on arm-cloud", LabError("no cure was seen")),
    )
    assert [record.fault.title for record in engine.in_force()] == ["cut on arm-cloud"]
    assert "still in force: cut on arm-cloud" in failed.message
    assert "lab fault heal --all" in failed.remedy
    assert failed.run.happened[0].outcome is Outcome.NOT_HEALED
    assert failed.run.happened[1].outcome is Outcome.HEALED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_plan_with_all_healed(number: signal.Signals) -> None:
    """Two of them: the second one must not break into the heals."""
    handlers = [signal.getsignal(each) for each in endings()]
    clock = Clock(SPEED)

    def send_again(fault: Fault) -> None:
        os.kill(os.getpid(), number)
        time.sleep(0.05)  # a heal that the signal could break into

    def send(fault: Fault) -> None:
        if isinstance(fault, Cut):
            os.kill(os.getpid(), number)

    engine = FakeEngine(clock, on_inject=send, on_heal=send_again)
    with pytest.raises(KeyboardInterrupt):
        run_plan(long_plan(), engine, deadline=Deadline.after(100_000), clock=clock)
    assert engine.in_force() == ()
    assert engine.injected
    assert [signal.getsignal(each) for each in endings()] == handlers


def test_an_interrupt_that_leaves_something_broken_says_so() -> None:
    def send(fault: Fault) -> None:
        if isinstance(fault, Cut):
            os.kill(os.getpid(), signal.SIGINT)

    failed, engine = failure(
        long_plan(), on_inject=send, on_heal=fails_at("cut on arm-cloud", LabError("no cure"))
    )
    assert "still in force: cut on arm-cloud" in failed.message
    assert len(engine.in_force()) == 1


def test_at_the_deadline_all_is_healed() -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock)

    class Near(Deadline):
        """Says that there is time enough, and then that it is over."""

        __slots__ = ()

        @property
        def remaining(self) -> float:
            return 100_000.0

    with pytest.raises(PlanFailed, match="not over within"):
        run_plan(long_plan(), engine, deadline=Near(time.monotonic() + 0.5, 0.5), clock=clock)
    assert engine.in_force() == ()
    assert len(engine.injected) >= 2


def test_a_plan_does_not_begin_without_the_time_for_it() -> None:
    engine = FakeEngine(Clock())
    with pytest.raises(InputError, match="lasts 1m, and only"):
        run_plan(parse_plan(PLAN, TOPOLOGY), engine, deadline=Deadline.after(59))
    assert engine.history() == ()


def test_a_plan_does_not_begin_where_faults_are_in_force() -> None:
    engine = FakeEngine(Clock())
    engine.inject(Cut(link="arm-plant"))
    with pytest.raises(InputError, match=r"in force already: cut on arm-plant[\s\S]*heal --all"):
        run_plan(parse_plan(PLAN, TOPOLOGY), engine, deadline=Deadline.after(1000))
    assert len(engine.in_force()) == 1


def test_a_plan_runs_in_any_thread() -> None:
    done: list[PlanRun] = []
    thread = threading.Thread(target=lambda: done.append(run(parse_plan(PLAN, TOPOLOGY))[0]))
    thread.start()
    thread.join(20)
    assert [each.outcome for each in done[0].happened] == [Outcome.HEALED] * 4


@settings(deadline=None, max_examples=25)
@given(broken=st.sets(st.integers(0, 15)), unhealed=st.sets(st.integers(0, 15)))
def test_whatever_fails_nothing_is_left_that_could_be_healed(
    broken: set[int], unhealed: set[int]
) -> None:
    plan = load_plan(ROOT / "plans" / "random.yaml", TOPOLOGY)
    titles = [each.fault.title for each in plan.schedule()]
    bad = {titles[index] for index in broken}
    stuck = {titles[index] for index in unhealed}

    def inject(fault: Fault) -> None:
        if fault.title in bad:
            raise LabError("no effect was seen")

    def heal(fault: Fault) -> None:
        if fault.title in stuck:
            raise LabError("no cure was seen")

    clock = Clock(10_000.0)
    engine = FakeEngine(clock, on_inject=inject, on_heal=heal)
    try:
        done = run_plan(plan, engine, deadline=Deadline.after(100_000), clock=clock)
    except PlanFailed as trouble:
        assert bad or stuck
        done = trouble.run
    else:
        assert not bad
        assert not stuck
    assert {record.fault.title for record in engine.in_force()} <= stuck
    for each in done.happened:
        left = each.planned.fault in [record.fault for record in engine.in_force()]
        assert left or each.outcome is not Outcome.NOT_HEALED


# -- beside a block ----------------------------------------------------------------------------


def test_a_plan_runs_beside_a_block_which_sees_it_grow() -> None:
    clock = Clock(SPEED)
    begun, looked_at = threading.Event(), threading.Event()

    def slow(fault: Fault) -> None:
        if isinstance(fault, Cut):
            begun.set()
            looked_at.wait(20)

    engine = FakeEngine(clock, on_inject=slow)
    with running_plan(parse_plan(PLAN, TOPOLOGY), engine, clock=clock) as so_far:
        assert begun.wait(20)
        assert so_far.happened[0].outcome is Outcome.NOT_SEEN
        assert so_far.happened[3].outcome is Outcome.NOT_BEGUN
        looked_at.set()
    assert [each.outcome for each in so_far.happened] == [Outcome.HEALED] * 4
    assert engine.in_force() == ()
    assert so_far.log() == run(parse_plan(PLAN, TOPOLOGY))[0].log()


@pytest.mark.parametrize("trouble", [AssertionError("a sample is lost"), KeyboardInterrupt()])
def test_a_block_that_raises_ends_the_plan_and_all_is_healed(trouble: BaseException) -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock)

    def block() -> None:
        with running_plan(long_plan(), engine, clock=clock):
            Deadline.after(20).wait_for("a fault", lambda: engine.in_force() or None, every=0.001)
            raise trouble

    with pytest.raises(type(trouble)):
        block()
    assert engine.in_force() == ()
    assert engine.injected


def test_a_plan_that_fails_beside_a_block_is_told_when_the_block_has_ended() -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock, on_inject=fails_at("cut on arm-cloud", LabError("no effect")))
    ended: list[bool] = []

    def block() -> None:
        with running_plan(parse_plan(PLAN, TOPOLOGY), engine, clock=clock):
            ended.append(True)

    with pytest.raises(PlanFailed, match="no effect; all is healed"):
        block()
    assert ended == [True]
    assert engine.in_force() == ()


def test_a_signal_while_a_block_waits_for_the_plan_ends_it_with_all_healed() -> None:
    clock = Clock(SPEED)
    begun = threading.Event()
    engine = FakeEngine(clock, on_inject=lambda fault: begun.set())

    def send() -> None:
        begun.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)

    def block() -> None:
        with running_plan(long_plan(), engine, clock=clock):
            thread.start()

    with pytest.raises(KeyboardInterrupt):
        block()
    thread.join()
    assert engine.in_force() == ()


# -- what is shown ------------------------------------------------------------------------------


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
