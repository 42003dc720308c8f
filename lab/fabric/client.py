"""The client of the fabric: set states of links, read counters, capture frames."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.fabric.counters import LinkCounters
from edge_lab.fabric.protocol import (
    LINKS,
    Answer,
    CaptureStart,
    CaptureStop,
    Heal,
    Links,
    Load,
    Ping,
    Pong,
    Request,
    Reseed,
    Set,
    Snapshot,
)
from edge_lab.fabric.snapshots import FabricSnapshot
from edge_lab.fabric.state import DirectionState
from edge_lab.fabric.status import LinkStatus

ANSWER_TIME = 30.0
"""Seconds after which a fabric that does not answer counts as stuck."""


class FabricClient:
    """A client of a running fabric; thread-safe, since each call opens a separate connection.

    Every method raises LabError when the fabric does not run, and InputError for a link that
    does not exist.
    """

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path

    def wait_ready(self, deadline: Deadline, watch: Callable[[], None] = lambda: None) -> Pong:
        """Waits until a fabric that was just started answers.

        `watch` may raise to end the wait when the process has ended.
        """
        return deadline.wait_for(
            "the fabric answers", self.ping, every=0.02, transient=(LabError,), watch=watch
        )

    def ping(self) -> Pong:
        """The fabric's process id and its number of links."""
        return Pong.model_validate(self._ask(Ping()))

    def links(self, deadline: Deadline | None = None) -> tuple[LinkStatus, ...]:
        """All links, in the order of the configuration."""
        return LINKS.validate_python(self._ask(Links(), deadline))

    def link(self, name: str) -> LinkStatus:
        """One link as it is now."""
        # A set without changes returns the status, and the fabric's error for an unknown name.
        return LinkStatus.model_validate(self._ask(Set(link=name)))

    def counters(self) -> dict[str, LinkCounters]:
        """The counters of every link, by its name."""
        return {link.name: link.counters for link in self.links()}

    def set(
        self,
        link: str,
        *,
        tx: DirectionState | None = None,
        rx: DirectionState | None = None,
    ) -> LinkStatus:
        """Sets the states of a link; None leaves a direction unchanged.

        When it returns, every frame that enters or leaves the link is subject to the new
        state.  Frames in flight are forwarded no later than they were due, and no later than
        frames that enter now: when a fault is healed at once, in order, and before all later
        frames.  They are dropped if the new mode of the direction would not admit them.
        """
        return LinkStatus.model_validate(self._ask(Set(link=link, tx=tx, rx=rx)))

    def heal(self, link: str | None = None) -> None:
        """Resets one link, or all, to the state in which frames pass unchanged."""
        self._ask(Heal(link=link))

    def reseed(self, seed: int) -> None:
        """Restarts all random streams from `seed`; the states are kept."""
        self._ask(Reseed(seed=seed))

    def capture(self, link: str, to: str) -> socket.socket:
        """Starts a capture of the link's frames in both directions; the connection yields pcapng.

        As seen at the endpoint's interface: frames that it sends before any fault, frames that
        it receives after all faults. A caller that shuts down its side of the connection gets
        the remaining frames and the statistics. `to` describes the destination of the frames to
        other users. See `edge_lab.fabric.capture.Capture`, which writes them to a file.
        """
        with contextlib.ExitStack() as undo:
            limit = Deadline.scaled(ANSWER_TIME)
            peer = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self._say(peer, CaptureStart(link=link, to=to), limit)
            self._heard(_first_line(peer), limit)
            peer.settimeout(None)
            undo.pop_all()
        return peer

    def capture_stop(self, link: str) -> tuple[str, ...]:
        """Stops all captures of the link, whoever started them; returns their destinations."""
        return tuple(self._ask(CaptureStop(link=link)))

    def snapshot(self) -> dict[str, Any]:
        """States, seed and random streams, as JSON types, for a checkpoint."""
        return FabricSnapshot.model_validate(self._ask(Snapshot())).model_dump(mode="json")

    def load(self, snapshot: Mapping[str, Any]) -> None:
        """Restores the state of `snapshot`; frames in flight are dropped."""
        try:
            wanted = FabricSnapshot.model_validate(snapshot)
        except ValidationError as trouble:
            raise InputError(f"not a snapshot of a fabric: {trouble}") from trouble
        self._ask(Load(snapshot=wanted))

    def _ask(self, request: Request, deadline: Deadline | None = None) -> Any:
        limit = deadline or Deadline.scaled(ANSWER_TIME)
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as peer:
            self._say(peer, request, limit)
            with peer.makefile("rb") as answers:
                return self._heard(answers.readline, limit)

    def _say(self, peer: socket.socket, request: Request, limit: Deadline) -> None:
        with self._troubles(limit):
            peer.settimeout(max(limit.remaining, 0.01))
            peer.connect(str(self.socket_path))
            peer.sendall(request.model_dump_json().encode() + b"\n")

    def _heard(self, line: Callable[[], bytes], limit: Deadline) -> Any:
        with self._troubles(limit):
            said = line()
        if not said.endswith(b"\n"):
            raise _gone(self.socket_path)
        answer = Answer.model_validate_json(said)
        if answer.trouble is not None:
            raise answer.trouble.error()
        return answer.result

    @contextlib.contextmanager
    def _troubles(self, limit: Deadline) -> Iterator[None]:
        try:
            yield
        except TimeoutError as trouble:
            raise LabError(
                f"the fabric at {self.socket_path} did not answer within {limit.total:.0f} s",
                remedy="Run `lab down`, then `lab up`.",
            ) from trouble
        except OSError as trouble:
            raise _gone(self.socket_path) from trouble


def _first_line(peer: socket.socket) -> Callable[[], bytes]:
    """Reads one line, and no byte beyond it."""

    def read() -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            seen = peer.recv(4096, socket.MSG_PEEK)
            if not seen:
                break
            line += peer.recv(seen.find(b"\n") + 1 or len(seen))
        return line

    return read


def _gone(path: Path) -> LabError:
    return LabError(
        f"no fabric answers at {path}: it was not started, or it has ended",
        remedy="See its log in the logs of the run directory; run `lab down` to remove what "
        "is left.",
    )
