"""Raw TCP from a namespace on a device's wire: what comes is looked at byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from tests.devices.plant_site import HERE, Site, peer_command

PATIENCE = 60.0
"""s in which an answer that is due must have begun, on a busy machine."""
QUIET = 0.4
"""s without a byte after which no more is expected."""
TRIES = 20
"""For an answer to come in the portions in which it was sent."""


@dataclass(frozen=True)
class Heard:
    """What came, in the portions in which it came, and when; s since what was said last."""

    portions: tuple[bytes, ...] = ()
    times: tuple[float, ...] = ()
    ended: str = ""
    """`closed` or `reset`, if the connection was."""

    @property
    def bytes(self) -> bytes:
        return b"".join(self.portions)

    def with_more(self, more: Heard) -> Heard:
        """This, and then that."""
        return Heard(self.portions + more.portions, self.times + more.times, more.ended)


@dataclass
class Line:
    """One connection with a device."""

    socket: socket.socket
    sent: float = field(default_factory=time.monotonic)

    def say(self, data: bytes) -> None:
        self.sent = time.monotonic()
        self.socket.sendall(data)

    def hear(self, quiet: float = QUIET, patience: float = PATIENCE) -> Heard:
        """All that comes until it has been quiet for so many seconds; times since `say`."""
        portions: list[bytes] = []
        times: list[float] = []
        while True:
            self.socket.settimeout(quiet if portions else patience)
            try:
                data = self.socket.recv(65_536)
            except TimeoutError:
                return Heard(tuple(portions), tuple(times))
            except ConnectionResetError:
                return Heard(tuple(portions), tuple(times), "reset")
            if not data:
                return Heard(tuple(portions), tuple(times), "closed")
            portions.append(data)
            times.append(time.monotonic() - self.sent)

    def is_silent(self) -> bool:
        """Whether nothing comes for a while, not even the end."""
        return self.hear(patience=QUIET) == Heard()

    def answer(self, data: bytes, *, late: bool = False, sizes: Sequence[int] = ()) -> Heard:
        """What comes in answer to `data`; with `late`, nothing may.

        With `sizes`, what comes in portions of these lengths. It is asked for again if it did not:
        on a busy machine what was sent in portions is at times there as one when it is looked for.
        """
        for _ in range(TRIES if sizes else 1):
            self.say(data)
            heard = self.hear(patience=2.0 if late else PATIENCE)
            while sum(map(len, heard.portions)) < sum(sizes) and not heard.ended:
                heard = heard.with_more(self.hear())
            if [len(portion) for portion in heard.portions] == [*sizes]:
                break
        return heard

    def ask(self, data: bytes) -> bytes:
        """What comes first in answer to `data`; raises TimeoutError if nothing does."""
        self.say(data)
        self.socket.settimeout(PATIENCE)
        return self.socket.recv(65_536)


class RawPeer:
    """Makes connections from a namespace on the wire of a device."""

    def __init__(self, site: Site, door: Path, port: int | None) -> None:
        served = 502 if site.spec.identity is None else 4840
        self._target = (str(site.spec.address.ip), port or served)
        self._door = door

    def _ask(self, word: str) -> socket.socket:
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        caller.settimeout(PATIENCE)
        caller.connect(str(self._door))
        caller.sendall(word.encode())
        return caller

    def connect(self, seconds: float = PATIENCE) -> Line:
        """A new connection; raises OSError if it cannot be had."""
        with self._ask("tcp") as caller:
            _, (number,), _, _ = socket.recv_fds(caller, 1, 1)
        line = socket.socket(fileno=number)
        line.settimeout(seconds)
        try:
            line.connect(self._target)
        except OSError:
            line.close()
            raise
        return Line(line)

    @contextlib.contextmanager
    def line(self) -> Iterator[Line]:
        line = self.connect()
        with line.socket:
            yield line

    def neighbours(self) -> str:
        """What the kernel has learnt by ARP."""
        with self._ask("neighbours") as caller:
            return caller.recv(10_000).decode()

    def forget(self) -> None:
        """Makes the kernel forget that."""
        with self._ask("forget") as caller:
            caller.recv(1)

    def run(self, script: Path, *words: str) -> Any:
        """Runs a Python file at that place; returns the JSON that it prints."""
        with self._ask(" ".join(("run", str(script), *words))) as caller:
            caller.settimeout(180)
            with caller.makefile("rb") as printed:
                return json.loads(printed.read())


@contextlib.contextmanager
def raw_peer(site: Site, port: int | None = None) -> Iterator[RawPeer]:
    """A peer on the device's wire; `port` is where it connects, if not the protocol's."""
    with tempfile.TemporaryDirectory() as folder:
        door = Path(folder) / "door"
        command = [sys.executable, str(HERE / "socket_giver.py"), str(door)]
        process = subprocess.Popen(peer_command([site], command), start_new_session=True)
        try:
            peer = RawPeer(site, door, port)

            def connects() -> bool:
                assert process.poll() is None
                peer.connect().socket.close()
                return True

            Deadline.after(PATIENCE).wait_for(
                "a peer on the wire", connects, every=0.05, transient=(OSError,)
            )
            yield peer
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
