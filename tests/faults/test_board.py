"""What is told of a running plan to whoever looks."""

from __future__ import annotations

from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.faults.board import FILE, PlanBoard
from edge_lab.faults.plan import parse_plan
from edge_lab.faults.runner import Clock, run_plan
from tests.faults.fake_engine import PLAN, SPEED, TOPOLOGY, FakeEngine, long_plan


def test_a_plan_is_seen_while_it_runs_and_not_before_or_after(tmp_path: Path) -> None:
    board = PlanBoard(tmp_path)
    plan = long_plan()
    assert board.read() is None
    with board.announcing(plan):
        seen = PlanBoard(tmp_path).read()
        assert seen is not None
        assert (seen.name, seen.seed, seen.lasts_s) == (plan.name, plan.seed, plan.lasts_s)
        assert [each.at_s for each in seen.faults] == [each.at_s for each in plan.schedule()]
    assert board.read() is None


def test_what_a_killed_process_has_left_does_not_count(tmp_path: Path) -> None:
    board = PlanBoard(tmp_path)
    with board.announcing(long_plan()):
        left = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(left)
    assert board.read() is None


def test_a_plan_runs_where_it_cannot_be_announced(tmp_path: Path) -> None:
    with PlanBoard(tmp_path / "not there").announcing(long_plan()):
        pass


def test_a_plan_tells_of_itself(tmp_path: Path) -> None:
    board = PlanBoard(tmp_path)
    seen: list[bool] = []
    clock = Clock(SPEED)
    engine = FakeEngine(clock, on_inject=lambda _: seen.append(board.read() is not None))
    plan = parse_plan(PLAN, TOPOLOGY)
    run_plan(plan, engine, deadline=Deadline.after(1000), clock=clock, board=board)
    assert seen
    assert all(seen)
    assert board.read() is None
