"""A run on hosts, by a runner that only answers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.step import StepEvent, listening
from edge_lab.matrix import hosts
from edge_lab.matrix.hosts import HostLost, run_on_hosts
from edge_lab.matrix.model import Host
from edge_lab.matrix.plan import Plan, Shard
from edge_lab.matrix.queue import ShardQueue
from edge_lab.matrix.record import Record, attempts, number_of, shard_folder, write_record
from edge_lab.matrix.verdict import read_results
from tests.matrix.plans import plan, record, shard

A, B, C = (Host(ssh=name) for name in "ABC")
LOST = -1
PLAN = plan(*(shard(index, lab=f"lab-{index}") for index in range(4)))

Answer = int | Callable[[Host], int]


class FakeRunner:
    """Answers with the next code of a shard, and 0 after the last; remembers what it was asked."""

    def __init__(self, **codes: Sequence[Answer]) -> None:
        self.codes = {int(name.removeprefix("of_")): list(given) for name, given in codes.items()}
        self.ran: list[tuple[str, int]] = []
        self.ended = threading.Event()
        self.killed = threading.Event()
        self.lock = threading.Lock()

    def run(self, host: Host, plan: Plan, shard: Shard, attempt: Path) -> Record:
        with self.lock:
            self.ran.append((host.ssh, shard.index))
            answers = self.codes.get(shard.index)
            answer = answers.pop(0) if answers else 0
        code = answer if isinstance(answer, int) else answer(host)
        if code == LOST:
            raise HostLost("no connection")
        ended = Record(
            plan=plan.digest,
            shards=len(plan.shards),
            shard=shard,
            attempt=number_of(attempt),
            code=code,
            started=1e9,
            seconds=1.0,
        )
        write_record(attempt, ended)
        return ended

    def end(self) -> None:
        self.ended.set()

    def kill(self) -> None:
        self.killed.set()

    def until_ended(self, host: Host) -> int:
        """A shard that ends in order only when it is told to, without a result."""
        assert self.ended.wait(60)
        return LOST

    def hosts_of(self, index: int) -> list[str]:
        return [host for host, ran in self.ran if ran == index]


def ran(
    runner: FakeRunner, on: Sequence[Host], results: Path, of: Plan = PLAN
) -> tuple[list[str], int]:
    """The warnings, and the code of the whole."""
    warnings: list[str] = []

    def note(event: StepEvent) -> None:
        if event.title.startswith("warning"):
            warnings.append(event.title)

    with listening(note):
        run_on_hosts(of, on, results, lambda host, shard, record: None, runner)
    return list(dict.fromkeys(warnings)), read_results(results).code


def test_each_shard_runs_once_in_the_order_of_the_plan(tmp_path: Path) -> None:
    runner = FakeRunner()
    assert ran(runner, [A], tmp_path) == ([], 0)
    assert runner.ran == [("A", 0), ("A", 1), ("A", 2), ("A", 3)]
    assert not runner.ended.is_set()


def test_a_host_that_is_free_takes_the_next_shard(tmp_path: Path) -> None:
    others_done = threading.Event()

    def long(host: Host) -> int:
        assert others_done.wait(60)
        return 0

    def last(host: Host) -> int:
        others_done.set()
        return 0

    runner = FakeRunner(of_0=[long], of_3=[last])
    assert ran(runner, [A, B], tmp_path) == ([], 0)
    (slow,) = runner.hosts_of(0)
    (quick,) = {"A", "B"} - {slow}
    assert [host for host, index in runner.ran if index > 0] == [quick] * 3


@pytest.mark.parametrize("code", [1, 2, 3, 4, 11])
def test_a_failed_product_is_never_run_again(code: int, tmp_path: Path) -> None:
    runner = FakeRunner(of_1=[code])
    warnings, whole = ran(runner, [A, B], tmp_path)
    assert (warnings, whole) == ([], code)
    assert len(runner.hosts_of(1)) == 1


@pytest.mark.parametrize(("codes", "whole"), [([10, 0], 0), ([10, 1], 1), ([10, 10, 0], 10)])
def test_a_broken_lab_is_retried_once_on_another_host(
    codes: list[int], whole: int, tmp_path: Path
) -> None:
    runner = FakeRunner(of_2=codes)
    assert ran(runner, [A, B], tmp_path) == ([], whole)
    assert sorted(runner.hosts_of(2)) == ["A", "B"]
    assert len(attempts(shard_folder(tmp_path, 2))) == 2


def test_with_one_host_a_broken_lab_is_retried_there(tmp_path: Path) -> None:
    runner = FakeRunner(of_0=[10, 10, 0])
    assert ran(runner, [A], tmp_path) == ([], 10)
    assert runner.hosts_of(0) == ["A", "A"]


def test_the_shard_of_a_lost_host_runs_on_another_and_that_is_no_retry(tmp_path: Path) -> None:
    runner = FakeRunner(of_0=[LOST, 10, 0])
    warnings, whole = ran(runner, [A, B], tmp_path)
    lost, *others = runner.hosts_of(0)
    assert (whole, len(others)) == (0, 2)
    assert lost not in others
    assert warnings == [f"warning: host {lost} is not used any more: no connection"]
    after = runner.ran[runner.ran.index((lost, 0)) + 1 :]
    assert lost not in [host for host, _ in after]
    results = read_results(tmp_path).shards[0]
    assert [each.record is None for each in results.attempts] == [True, False, False]


def test_without_another_host_a_broken_lab_is_retried_where_it_broke(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def breaks(host: Host) -> int:
        both.wait(60)
        return 10

    def loses(host: Host) -> int:
        both.wait(60)
        return LOST

    runner = FakeRunner(of_0=[breaks], of_1=[loses])
    warnings, whole = ran(runner, [A, B], tmp_path, plan(*PLAN.shards[:2]))
    (left,) = set(runner.hosts_of(0))
    assert (whole, len(warnings)) == (0, 1)
    assert runner.hosts_of(0) == [left, left]


def test_if_all_hosts_are_lost_the_run_fails_and_can_go_on(tmp_path: Path) -> None:
    runner = FakeRunner(of_1=[LOST, LOST, LOST])
    with pytest.raises(LabError, match="no host is left for") as trouble:
        ran(runner, [A, B, C], tmp_path)
    for part in ("A: no connection", "B: no connection", "C: no connection", "--resume"):
        assert part in str(trouble.value)
    done = len(list(tmp_path.glob("*/*/shard.json")))
    again = FakeRunner()
    assert ran(again, [A], tmp_path) == ([], 0)
    assert len(again.ran) == len(PLAN.shards) - done


def test_what_has_a_final_result_is_not_run_again(tmp_path: Path) -> None:
    for index, code in enumerate((0, 1, 10)):
        record(PLAN, index, code, tmp_path)
    runner = FakeRunner()
    assert ran(runner, [A], tmp_path) == ([], 1)
    assert runner.ran == [("A", 2), ("A", 3)]


def test_results_of_another_plan_are_refused(tmp_path: Path) -> None:
    record(plan(shard(0)), 0, 0, tmp_path)
    runner = FakeRunner()
    with pytest.raises(InputError, match="another plan"):
        ran(runner, [A], tmp_path)
    assert runner.ran == []


def test_a_host_with_other_files_ends_the_run_and_its_shards_in_order(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    runner = FakeRunner()

    def refuses(host: Host) -> int:
        both.wait(60)
        raise InputError("host refuses")

    def waits(host: Host) -> int:
        both.wait(60)
        return runner.until_ended(host)

    runner.codes = {0: [refuses], 1: [waits]}
    with pytest.raises(InputError, match="host refuses"):
        ran(runner, [A, B], tmp_path)
    assert sorted(index for _, index in runner.ran) == [0, 1]
    assert runner.killed.is_set()


def test_shards_that_do_not_end_in_order_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "END_SECONDS", 0.01)
    both = threading.Barrier(2)
    runner = FakeRunner()

    def refuses(host: Host) -> int:
        both.wait(60)
        raise InputError("host refuses")

    def hangs(host: Host) -> int:
        both.wait(60)
        assert runner.killed.wait(60)
        return LOST

    runner.codes = {0: [refuses], 1: [hangs]}
    with pytest.raises(InputError, match="host refuses"):
        ran(runner, [A, B], tmp_path)


def test_an_interrupted_run_waits_until_its_shards_have_ended_in_order(tmp_path: Path) -> None:
    over: list[str] = []
    runner = FakeRunner()

    def interrupts(host: Host) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        code = runner.until_ended(host)
        over.append(host.ssh)
        return code

    runner.codes = {0: [interrupts]}
    with pytest.raises(KeyboardInterrupt):
        ran(runner, [A], tmp_path)
    assert over == ["A"]
    assert runner.killed.is_set()
    assert runner.ran == [("A", 0)]


def test_a_second_interrupt_ends_the_connections_at_once(tmp_path: Path) -> None:
    runner = FakeRunner()

    def interrupts(host: Host) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        assert runner.ended.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
        assert runner.killed.wait(60)
        return LOST

    runner.codes = {0: [interrupts]}
    with pytest.raises(KeyboardInterrupt):
        ran(runner, [A], tmp_path)
    assert runner.killed.is_set()


# -- The queue ---------------------------------------------------------------------------------


def test_labs_of_one_name_never_run_on_a_host_at_a_time() -> None:
    same = [shard(0, lab="x"), shard(1, lab="x"), shard(2, lab="y")]
    queue = ShardQueue(same, [A, B])
    assert [queue.take(A), queue.take(A)] == [same[0], same[2]]
    assert queue.take(B) == same[1]
    queue.finish(A, same[0])
    queue.finish(A, same[2])
    queue.finish(B, same[1])
    assert queue.take(A) is None


def test_a_host_waits_for_a_shard_that_may_come_back() -> None:
    only = shard(0)
    queue = ShardQueue([only], [A, B])
    assert queue.take(A) == only
    taken: list[Shard | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take(B)), daemon=True)
    waiting.start()
    queue.retry(A, only)
    waiting.join(Deadline.after(60).remaining)
    assert taken == [only]


def test_a_lost_host_gets_nothing_though_its_other_shard_ends_well() -> None:
    first, second, third = (shard(index, lab=f"lab-{index}") for index in range(3))
    queue = ShardQueue([first, second, third], [A, B])
    assert [queue.take(A), queue.take(A)] == [first, second]
    assert queue.lose(A, first)
    queue.finish(A, second)
    assert queue.take(A) is None
    assert queue.take(B) == first
