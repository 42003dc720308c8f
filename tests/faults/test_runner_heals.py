"""However a plan ends, all that was injected is healed."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.interrupts import endings
from edge_lab.faults.kinds import Cut, Fault, Kill
from edge_lab.faults.plan import load_plan, parse_plan
from edge_lab.faults.runner import (
    Clock,
    Outcome,
    PlanFailed,
    PlanRun,
    run_plan,
)
from tests.budget import examples
from tests.faults.fake_engine import (
    PLAN,
    ROOT,
    SPEED,
    TOPOLOGY,
    FakeEngine,
    fails_at,
    failure,
    long_plan,
    run,
)


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
    assert time.monotonic() - before < 60
    assert engine.active() == ()
    assert failed.__cause__ is trouble
    assert str(failed).startswith("kubelet.service killed on edge-arm at 10s: ")
    assert "all faults are healed" in failed.message
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
    assert engine.active() == ()
    assert "no cure was seen; all faults are healed" in failed.message
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
    assert [record.fault.title for record in engine.active()] == ["cut on arm-cloud"]
    assert "still active: cut on arm-cloud" in failed.message
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
    assert engine.active() == ()
    assert engine.injected
    assert [signal.getsignal(each) for each in endings()] == handlers


def test_an_interrupt_that_leaves_something_broken_says_so() -> None:
    def send(fault: Fault) -> None:
        if isinstance(fault, Cut):
            os.kill(os.getpid(), signal.SIGINT)

    failed, engine = failure(
        long_plan(), on_inject=send, on_heal=fails_at("cut on arm-cloud", LabError("no cure"))
    )
    assert "still active: cut on arm-cloud" in failed.message
    assert len(engine.active()) == 1


def test_at_the_deadline_all_is_healed() -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock)

    class Near(Deadline):
        """Says that there is time enough, and then, when two faults are there, that it is over."""

        __slots__ = ()

        @property
        def remaining(self) -> float:
            return 100_000.0

        @property
        def expired(self) -> bool:
            return len(engine.injected) >= 2

    with pytest.raises(PlanFailed, match="not over within"):
        run_plan(long_plan(), engine, deadline=Near(time.monotonic(), 0.5), clock=clock)
    assert engine.active() == ()
    assert len(engine.injected) >= 2


def test_a_plan_does_not_begin_without_the_time_for_it() -> None:
    engine = FakeEngine(Clock())
    with pytest.raises(InputError, match="lasts 1m, and only"):
        run_plan(parse_plan(PLAN, TOPOLOGY), engine, deadline=Deadline.after(59))
    assert engine.history() == ()


def test_a_plan_does_not_begin_where_faults_are_active() -> None:
    engine = FakeEngine(Clock())
    engine.inject(Cut(link="arm-plant"))
    with pytest.raises(InputError, match=r"active faults: cut on arm-plant[\s\S]*heal --all"):
        run_plan(parse_plan(PLAN, TOPOLOGY), engine, deadline=Deadline.after(1000))
    assert len(engine.active()) == 1


def test_a_plan_runs_in_any_thread() -> None:
    done: list[PlanRun] = []
    thread = threading.Thread(target=lambda: done.append(run(parse_plan(PLAN, TOPOLOGY))[0]))
    thread.start()
    thread.join(20)
    assert [each.outcome for each in done[0].happened] == [Outcome.HEALED] * 4


@settings(max_examples=examples(25))
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
    assert {record.fault.title for record in engine.active()} <= stuck
    for each in done.happened:
        left = each.planned.fault in [record.fault for record in engine.active()]
        assert left or each.outcome is not Outcome.NOT_HEALED
