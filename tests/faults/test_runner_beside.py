"""A plan that runs beside a block of code."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.faults.kinds import Cut, Fault
from edge_lab.faults.plan import parse_plan
from edge_lab.faults.runner import (
    Clock,
    Outcome,
    PlanFailed,
    running_plan,
)
from tests.faults.fake_engine import (
    PLAN,
    SPEED,
    TOPOLOGY,
    FakeEngine,
    fails_at,
    long_plan,
    run,
)


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
    assert engine.active() == ()
    assert so_far.log() == run(parse_plan(PLAN, TOPOLOGY))[0].log()


@pytest.mark.parametrize("trouble", [AssertionError("a sample is lost"), KeyboardInterrupt()])
def test_a_block_that_raises_ends_the_plan_and_all_is_healed(trouble: BaseException) -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock)

    def block() -> None:
        with running_plan(long_plan(), engine, clock=clock):
            Deadline.after(20).wait_for("a fault", lambda: engine.active() or None, every=0.001)
            raise trouble

    with pytest.raises(type(trouble)):
        block()
    assert engine.active() == ()
    assert engine.injected


def test_a_plan_that_fails_beside_a_block_is_told_when_the_block_has_ended() -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock, on_inject=fails_at("cut on arm-cloud", LabError("no effect")))
    ended: list[bool] = []

    def block() -> None:
        with running_plan(parse_plan(PLAN, TOPOLOGY), engine, clock=clock):
            ended.append(True)

    with pytest.raises(PlanFailed, match="no effect; all faults are healed"):
        block()
    assert ended == [True]
    assert engine.active() == ()


def test_a_block_sees_that_its_plan_has_failed() -> None:
    clock = Clock(SPEED)
    engine = FakeEngine(clock, on_inject=fails_at("cut on arm-cloud", LabError("no effect")))
    failed: list[bool] = []

    def block() -> None:
        with running_plan(parse_plan(PLAN, TOPOLOGY), engine, clock=clock) as so_far:
            Deadline.after(20).wait_for("the failure", lambda: so_far.has_failed, every=0.001)
            failed.append(True)
            raise LabError("it does not go on")

    with pytest.raises(PlanFailed, match="no effect"):
        block()
    assert failed == [True]
    with running_plan(parse_plan(PLAN, TOPOLOGY), FakeEngine(clock), clock=clock) as so_far:
        assert not so_far.has_failed
    assert not so_far.has_failed


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
    assert engine.active() == ()
