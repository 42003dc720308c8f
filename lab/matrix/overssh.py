"""Runs shards on hosts by ssh(1), with the user's configuration and known hosts.

One connection for each attempt: the plan goes in, the results come out as a tar, the output of
pytest as its standard error. The other end is `edge_lab.matrix.remote`, which ends the shard when
the connection ends.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, InputError
from edge_lab.core.process import last_line
from edge_lab.machines.ssh import UNREACHABLE
from edge_lab.matrix.archive import extract, find_mark
from edge_lab.matrix.hosts import END_SECONDS, HostLost
from edge_lab.matrix.model import Host
from edge_lab.matrix.plan import Plan, Shard
from edge_lab.matrix.record import FILE, Record, number_of, read_record, write_record
from edge_lab.report.runs import ExitCode

LOG = "output.log"
"""In the folder of an attempt: what the host printed."""
FETCH_SECONDS = 1800.0
"""Time for the results to arrive, in addition to that of the shard."""
ERROR = "error: "

OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=30",
    # A host that is gone is noticed after a minute.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    # A shared connection would have the options of whoever has opened it.
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
)


def command_line(host: Host, index: int) -> list[str]:
    """The ssh command that runs the shard on the host."""
    folder = shlex.quote(host.folder.removeprefix("~/"))
    remote = f"cd {folder} && {host.command} matrix remote-shard --index={index}"
    return ["ssh", "-T", *(f"-o{option}" for option in OPTIONS), "--", host.ssh, remote]


class SshRunner:
    """See `edge_lab.matrix.hosts.Runner`."""

    def __init__(self) -> None:
        self._sessions: set[subprocess.Popen[bytes]] = set()
        self._is_ending = False
        self._lock = threading.Lock()

    def run(self, host: Host, plan: Plan, shard: Shard, attempt: Path) -> Record:
        log = attempt / LOG
        with tempfile.TemporaryFile() as archive:
            code = self._call(host, plan, shard, log, archive)
            archive.seek(0)
            find_mark(archive)
            record = _fetched(archive, plan, shard, code, attempt)
        if record is not None:
            return record
        if code == ExitCode.WRONG_INPUT:
            raise InputError(
                f"host {host.ssh} refuses shard {shard.index}: {reason(log)}",
                remedy=f"Bring the folder {host.folder} on {host.ssh} to the files and the version "
                "of edge-lab that this machine has, and go on with --resume.",
            )
        what = "no connection" if code == UNREACHABLE else f"no result, exit code {code}"
        raise HostLost(f"{what}: {reason(log)} (log: {log})")

    def end(self) -> None:
        with self._lock:
            self._is_ending = True
            for session in self._sessions:
                _close_input(session)

    def kill(self) -> None:
        with self._lock:
            for session in self._sessions:
                session.kill()

    def _call(self, host: Host, plan: Plan, shard: Shard, log: Path, archive: IO[bytes]) -> int:
        words = command_line(host, shard.index)
        deadline = Deadline.after(plan.limit_s + Deadline.scaled(END_SECONDS + FETCH_SECONDS).total)
        with log.open("wb") as sink:
            sink.write(f"$ {shlex.join(words)}\n".encode())
            sink.flush()
            session = self._start(words, sink, archive)
            try:
                _send(session, plan)
                return session.wait(deadline.remaining)
            except subprocess.TimeoutExpired:
                return UNREACHABLE
            finally:
                with self._lock:
                    self._sessions.discard(session)
                session.kill()
                session.wait()
                _close_input(session)

    def _start(
        self, words: list[str], log: IO[bytes], archive: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            try:
                session = subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE,
                    stdout=archive,
                    stderr=log,
                    bufsize=0,
                    start_new_session=True,  # Ctrl-C ends shards by `end`, in order
                )
            except FileNotFoundError as trouble:
                raise InputError(
                    "ssh is not installed", remedy="As root: apt-get install openssh-client"
                ) from trouble
            self._sessions.add(session)
            if self._is_ending:
                _close_input(session)
            return session


def reason(log: Path) -> str:
    """The last error in the output of a host, or its last line."""
    last = last_line(log)
    with contextlib.suppress(OSError):
        for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
            if line.startswith(ERROR):
                return line.removeprefix(ERROR)
    return last


def _send(session: subprocess.Popen[bytes], plan: Plan) -> None:
    """One line. The connection may be gone, and `end` may have closed it."""
    with contextlib.suppress(OSError, ValueError):
        assert session.stdin is not None
        rest = memoryview(plan.model_dump_json().encode() + b"\n")
        while rest:
            rest = rest[session.stdin.write(rest) :]


def _close_input(session: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if session.stdin is not None:
            session.stdin.close()


def _fetched(
    archive: IO[bytes], plan: Plan, shard: Shard, code: int, attempt: Path
) -> Record | None:
    """The record of the host, with all results in `attempt`; None if they have not arrived.

    An attempt is the first on its host, which does not know of others.
    """
    with tempfile.TemporaryDirectory(prefix=".", dir=attempt) as name:
        folder = Path(name)
        try:
            extract(archive, folder)
            record = read_record(folder)
        except EdgeLabError:
            return None
        if record is None or (record.plan, record.shard, record.code) != (plan.digest, shard, code):
            return None
        for path in folder.iterdir():
            if path.name != FILE:
                path.rename(attempt / path.name)
    record = record.model_copy(update={"attempt": number_of(attempt)})
    write_record(attempt, record)
    return record
