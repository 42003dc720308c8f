"""Processes of a lab, found again after a crash by a mark in their environment.

A list of pids on disk would miss a process between fork and write, and pids are reused.  The mark
`EDGE_LAB_RUN=<run directory>` is there from the first instruction, is inherited by child
processes, and is read from /proc/<pid>/environ.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError

MARK = "EDGE_LAB_RUN"
PROC = Path("/proc")

EXEC_SECONDS = 1.0
"""Time limit for the kernel to set up the stack of a program that it is loading."""


DEMAND_SECONDS = 1.0
"""For how long the demand for the processor is measured."""


@dataclass(frozen=True)
class LabProcess:
    pid: int
    command: str


def marked_environment(run: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a process of the lab in run directory `run`."""
    return {**os.environ, MARK: str(run), **(extra or {})}


def spawn(
    argv: Sequence[str],
    *,
    run: Path,
    log: Path,
    extra_env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts a long-lived process of the lab in its own session, with its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        try:
            return subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=marked_environment(run, extra_env),
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        except FileNotFoundError as trouble:
            raise LabError(
                f"{argv[0]} is not installed", remedy="Run `lab doctor` to see what is missing."
            ) from trouble


def processes_of(run: Path | None) -> Iterator[LabProcess]:
    """Every live process with the mark of `run` (None: of any lab), except this one."""
    mark = f"{MARK}={run or ''}".encode()
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            variables = _environment(entry).split(b"\0")
            if not any(
                variable == mark if run else variable.startswith(mark) for variable in variables
            ):
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if command:  # empty for a zombie
                yield LabProcess(int(entry.name), command.strip())


def demand_of_others() -> float:
    """The mean number of threads that ran or waited for a core over DEMAND_SECONDS, except for
    those of labs and of this process.

    In the unit of the load average, which does not distinguish processes, and still shows a load
    for minutes after its end.
    """
    spared = {os.getpid(), *(process.pid for process in processes_of(None))}
    started, before = time.monotonic(), _asked_for(spared)
    time.sleep(DEMAND_SECONDS)
    after, took = _asked_for(spared), time.monotonic() - started
    return sum(after[thread] - before.get(thread, 0.0) for thread in after) / took


def _asked_for(spared: Container[int]) -> dict[str, float]:
    """Seconds that each thread has run or waited to run, by /proc path; without those spared."""
    found = {}
    for process in PROC.iterdir():
        if not process.name.isdigit() or int(process.name) in spared:
            continue
        for thread in (process / "task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # the process has ended
                ran, waited, _ = thread.read_text().split()
                found[str(thread)] = (int(ran) + int(waited)) / 1e9
    return found


def _environment(entry: Path) -> bytes:
    """The environment of a process.

    During an exec both the environment and the command line are empty, although the process that
    started it may already have been told that it runs; so this waits for the end of the exec.
    """
    patience = Deadline.after(EXEC_SECONDS)
    while not (found := (entry / "environ").read_bytes()) and not patience.expired:
        has_begun = bool((entry / "cmdline").read_bytes())
        (entry / "exe").readlink()  # fails for zombies and kernel threads
        time.sleep(0.001)
        if has_begun:  # its environment is complete by now, and may be empty
            return (entry / "environ").read_bytes()
    return found


def end_processes(run: Path, deadline: Deadline, *, argument: str = "") -> list[LabProcess]:
    """Ends all processes of `run`, or those whose command contains `argument`.

    Sends SIGTERM, then SIGKILL, also to processes that start meanwhile. Returns all of them.
    """
    found: dict[int, LabProcess] = {}

    def there() -> list[LabProcess]:
        return [process for process in processes_of(run) if argument in process.command]

    def ended(sign: signal.Signals, told: set[int]) -> bool:
        # A process that ended during the search may have started one that was not listed yet.
        left = there() or there()
        for process in left:
            found.setdefault(process.pid, process)
            if process.pid not in told:
                told.add(process.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, sign)
        return not left

    def wait(within: Deadline, sign: signal.Signals) -> None:
        told: set[int] = set()
        within.wait_for(f"{sign.name} ends processes", lambda: ended(sign, told), every=0.05)

    try:
        wait(Deadline.after(deadline.remaining / 2), signal.SIGTERM)
    except DeadlineExceeded:
        wait(deadline, signal.SIGKILL)
    return list(found.values())


def lock_holder(lock: Path) -> int | None:
    """The pid of the process that holds an flock(2) on `lock`; None if none does."""
    try:
        inode = lock.stat().st_ino
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in locks.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 1234 fd:01:56789 0 EOF; "->" marks a process that waits.
        words = line.split()
        if words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(inode):
            return int(words[4])
    return None


def last_line(log: Path) -> str:
    """The last line of the log of a process."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "no output"


def still_alive(process: subprocess.Popen[bytes], what: str, log: Path) -> Callable[[], None]:
    """A `watch` for `Deadline.wait_for`: raises LabError if `process` has ended."""

    def watch() -> None:
        if process.poll() is not None:
            raise LabError(
                f"{what} ended with exit status {process.returncode}: {last_line(log)}",
                remedy=f"Log: {log}",
            )

    return watch
