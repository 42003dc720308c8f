"""The other end of `edge_lab.matrix.overssh`: runs one shard on a host.

The plan is the first line of standard input. The end of the input is that of the connection, since
sshd ends no command that has no terminal: the shard then ends in order, and so does its lab.
Standard output is a mark and a tar of the results; all that is printed goes to standard error.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home
from edge_lab.handle.state import known_labs
from edge_lab.matrix.archive import MARK, pack
from edge_lab.matrix.here import DOWN_SECONDS, clear
from edge_lab.matrix.plan import Plan, read_plan
from edge_lab.matrix.record import FILE, Record, attempts, shard_folder
from edge_lab.matrix.shard import GRACE_SECONDS, run_shard

CHUNK = 1 << 16
OUTPUT_SECONDS = 10.0
"""Time for the last output to arrive."""


def serve_shard(index: int) -> Record:
    """Runs a shard of the plan on standard input, with its results in a temporary folder.

    Raises:
        InputError: there is no plan, or it is one of other files.
        KeyboardInterrupt: the connection has ended.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edge-lab-") as folder,
        _streams() as archive,
    ):
        results = Path(folder) / "results"
        plan = _plan(Path(folder) / "plan.json")
        record = _run(plan, index, results)
        (attempt,) = attempts(shard_folder(results, index))
        with contextlib.suppress(BrokenPipeError), os.fdopen(archive, "wb", closefd=False) as sink:
            sink.write(MARK)
            pack(attempt, FILE, sink)
        return record


def _plan(file: Path) -> Plan:
    text = b""
    while b"\n" not in text and (chunk := os.read(sys.stdin.fileno(), CHUNK)):
        text += chunk
    file.write_bytes(text)
    return read_plan(file)


def _run(plan: Plan, index: int, results: Path) -> Record:
    lab = plan.shard(index).lab
    with _only_shard_of(lab):
        was_up, is_final = lab in known_labs(), False
        try:
            with _interrupted_at_end_of_input():
                record = run_shard(plan, index, results)
            is_final = record.is_final
            return record
        finally:
            if not is_final and not was_up:
                clear(lab)


@contextlib.contextmanager
def _only_shard_of(lab: str) -> Iterator[None]:
    """Waits for a shard that is just ending, such as one whose connection was lost.

    Raises:
        LabError: another run uses the lab on this host.
    """
    file = cache_home() / "labs" / f"{lab}.shard.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        with _interrupted_at_end_of_input():
            lock.acquire(timeout=Deadline.scaled(GRACE_SECONDS + DOWN_SECONDS).remaining)
    except Timeout:
        raise LabError(
            f"another run of `lab matrix` uses the lab {lab} on this host",
            remedy="Wait for it, or give the runs different hosts.",
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _interrupted_at_end_of_input() -> Iterator[None]:
    """SIGTERM, which is a KeyboardInterrupt here, when the input ends within the block."""
    lock, is_over, source = threading.Lock(), False, sys.stdin.fileno()

    def watch() -> None:
        while os.read(source, CHUNK):
            pass
        with lock:
            if not is_over:
                os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="input", daemon=True).start()
    try:
        yield
    finally:
        with lock:
            is_over = True


@contextlib.contextmanager
def _streams() -> Iterator[int]:
    """A descriptor of standard output. What is printed in the block goes to standard error.

    As long as there is any: pytest must not fail when the connection is gone, so that its lab is
    taken down.
    """
    _flush()
    output, errors = os.dup(1), os.dup(2)
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)
    forwarding = threading.Thread(target=_forward, args=(reading, errors), daemon=True)
    forwarding.start()
    try:
        yield output
    finally:
        _flush()
        os.dup2(output, 1)
        os.dup2(errors, 2)
        forwarding.join(Deadline.scaled(OUTPUT_SECONDS).remaining)


def _flush() -> None:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()


def _forward(source: int, target: int) -> None:
    is_open = True
    while chunk := os.read(source, CHUNK):
        while is_open and chunk:
            try:
                chunk = chunk[os.write(target, chunk) :]
            except OSError:
                is_open = False
