"""Network namespaces that a test makes and that end with it, and cables between them.

Nothing in them reaches the host's network: a new namespace has a loopback interface and nothing
else.  Root is not needed where users may make namespaces.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError

ROOT = Path(__file__).parent.parent
CLONE_NEWNET = 0x40000000
"""sched.h"""


@dataclass(frozen=True)
class Namespace:
    """A network namespace, by a process in it."""

    pid: int

    def argv(self, command: Sequence[str]) -> list[str]:
        """The command, to be run in the namespace."""
        own_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.pid}", "--net", *own_user, *command]

    def try_run(
        self, *command: str, seconds: float = 120, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(command),
            capture_output=True,
            text=True,
            timeout=seconds,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
        )

    def run(self, *command: str, seconds: float = 120, given: str | None = None) -> str:
        done = self.try_run(*command, seconds=seconds, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str, *words: str, seconds: float = 120) -> str:
        return self.run(sys.executable, "-c", code, *words, seconds=seconds)

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs in the namespace until the block is left."""
        process = subprocess.Popen(
            self.argv(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)


@contextlib.contextmanager
def held_process(command: Sequence[str], ready: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes the line `ready` once it is set up, and that ends with its standard
    input: when the block is left, or this process ends.

    Raises:
        LabError: it wrote something else, or has ended; with its error output.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != f"{ready}\n":
            raise LabError(process.communicate(timeout=60)[1].strip())
        yield process
    finally:
        process.stdin.close()
        process.stdin = None
        process.communicate(timeout=60)


@contextlib.contextmanager
def new_namespace(inside: Namespace | None = None) -> Iterator[Namespace]:
    """A namespace with `lo` alone; with `inside`, a child of that one, to be wired to it. The test
    is skipped where none can be made."""
    own_user = [] if os.geteuid() == 0 or inside else ["--user", "--map-root-user"]
    hold = ["unshare", "--net", *own_user, "sh", "-c", "ip link set lo up && echo up && exec cat"]
    with contextlib.ExitStack() as undo:
        try:
            process = undo.enter_context(held_process(inside.argv(hold) if inside else hold, "up"))
        except LabError as error:
            pytest.skip(f"no network namespace here: {error}")
        yield Namespace(process.pid)


@contextlib.contextmanager
def entered(namespace: Namespace) -> Iterator[None]:
    """This thread is in the namespace until the block is left, and so are the processes and threads
    that it starts. For root alone."""
    with Path("/proc/thread-self/ns/net").open() as own:
        with Path(f"/proc/{namespace.pid}/ns/net").open() as other:
            _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(descriptor: int) -> None:
    """os.setns of Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def connect(near: Namespace, near_name: str, far: Namespace, far_name: str) -> None:
    """A cable (veth) between two namespaces; both ends are up, the near one has no address."""
    near.run(
        *("ip", "link", "add", near_name, "type", "veth"),
        *("peer", "name", far_name, "netns", str(far.pid)),
    )
    for place, name in ((near, near_name), (far, far_name)):
        place.run("ip", "link", "set", name, "addrgenmode", "none", "up")
