"""Runs a plan on several hosts, with the retries of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step, warn
from edge_lab.matrix.here import DOWN_SECONDS
from edge_lab.matrix.model import Host
from edge_lab.matrix.plan import Plan, Shard
from edge_lab.matrix.queue import ShardQueue
from edge_lab.matrix.record import (
    RETRIES,
    Record,
    new_attempt,
    records,
    settled,
    shard_folder,
)
from edge_lab.matrix.shard import GRACE_SECONDS

END_SECONDS = GRACE_SECONDS + DOWN_SECONDS
"""Time for shards to end in order on their hosts."""

Told = Callable[[Host, Shard, Record | None], None]
"""Called when a shard begins on a host (with None), and when an attempt has ended. By several
threads."""


class HostLost(LabError):
    """The host cannot be reached, or has ended a shard without a result."""


class Runner(Protocol):
    """Runs shards on hosts; `edge_lab.matrix.overssh.SshRunner`. Safe for threads."""

    def run(self, host: Host, plan: Plan, shard: Shard, attempt: Path) -> Record:
        """Runs the shard once, and leaves its results in the folder `attempt`.

        Raises:
            HostLost: nothing is known of the shard.
            InputError: the host has other files than the plan.
        """

    def end(self) -> None:
        """Lets all shards end in order, and later ones not begin. Does not wait for them."""

    def kill(self) -> None:
        """Ends all connections at once."""


def run_on_hosts(
    plan: Plan, hosts: Sequence[Host], results: Path, told: Told, runner: Runner
) -> None:
    """Runs each shard that has no final result in `results`.

    Raises:
        InputError: `results` has those of another plan, or a host has other files than the plan.
        LabError: no host is left.
    """
    shards = [shard for shard in plan.shards if settled(plan, results, shard.index) is None]
    run = _Run(plan, results, told, runner, ShardQueue(shards, hosts))
    try:
        for host in hosts:
            for _ in range(host.parallel):
                run.start(host)
        run.wait()
        run.check()
    except BaseException:  # shards end in order, or at once when interrupted again
        try:
            run.end(Deadline.scaled(END_SECONDS))
        finally:
            runner.kill()
        raise


class _Run:
    def __init__(
        self, plan: Plan, results: Path, told: Told, runner: Runner, queue: ShardQueue
    ) -> None:
        self._plan = plan
        self._results = results
        self._told = told
        self._runner = runner
        self._queue = queue
        self._lost: dict[str, LabError] = {}
        self._trouble: BaseException | None = None
        self._threads = 0
        self._changed = threading.Condition()

    def start(self, host: Host) -> None:
        """Runs shards on the host until there are no more, in a thread."""
        with self._changed:
            self._threads += 1
        name = f"shards on {host.ssh}"
        threading.Thread(target=self._serve, args=(host,), name=name, daemon=True).start()

    def wait(self) -> None:
        """Until all threads have ended, or something is wrong.

        Not by `Thread.join`, which must not be repeated after an interrupt: CPython 3.11 then
        takes the thread for one that has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._threads == 0 or self._trouble is not None)

    def end(self, deadline: Deadline) -> None:
        """Lets the shards that run end in order."""
        self._queue.stop()
        self._runner.end()
        with self._changed:
            if self._threads:
                with step("end the shards on their hosts"):
                    self._changed.wait_for(lambda: self._threads == 0, deadline.remaining)

    def _serve(self, host: Host) -> None:
        try:
            while (shard := self._queue.take(host)) is not None:
                self._run(host, shard)
        except BaseException as trouble:  # noqa: BLE001 - raised by `check`
            self._queue.stop()
            with self._changed:
                self._trouble = self._trouble or trouble
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raises what has ended the run too early."""
        if self._trouble is not None:
            raise self._trouble
        left = self._queue.left
        if left:
            raise LabError(
                f"no host is left for {len(left)} of {len(self._plan.shards)} shards: "
                + "; ".join(f"{name}: {trouble.message}" for name, trouble in self._lost.items()),
                remedy="Repair a host, so that `ssh -o BatchMode=yes HOST` works and edge-lab is "
                "in its folder, and go on with --resume.",
            )

    def _run(self, host: Host, shard: Shard) -> None:
        folder = shard_folder(self._results, shard.index)
        attempt = new_attempt(folder)
        self._told(host, shard, None)
        try:
            record = self._runner.run(host, self._plan, shard, attempt)
        except HostLost as trouble:
            self._lost.setdefault(host.ssh, trouble)
            if self._queue.lose(host, shard):
                warn(f"host {host.ssh} is not used any more: {trouble.message}")
            return
        self._told(host, shard, record)
        if record.is_final or len(list(records(folder))) > RETRIES:
            self._queue.finish(host, shard)
        else:
            self._queue.retry(host, shard)
