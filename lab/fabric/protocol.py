"""The protocol of the control socket: one JSON object per line, one answer to each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.fabric.frozen import FrozenModel
from edge_lab.fabric.snapshots import FabricSnapshot
from edge_lab.fabric.state import DirectionState
from edge_lab.fabric.status import LinkStatus


class Ping(FrozenModel):
    op: Literal["ping"] = "ping"


class Links(FrozenModel):
    op: Literal["links"] = "links"


class Set(FrozenModel):
    """Sets the states that are given; null leaves a direction unchanged."""

    op: Literal["set"] = "set"
    link: str
    tx: DirectionState | None = None
    rx: DirectionState | None = None


class Heal(FrozenModel):
    """Clears one link, or all of them."""

    op: Literal["heal"] = "heal"
    link: str | None = None


class Reseed(FrozenModel):
    """Restarts all random streams from `seed`."""

    op: Literal["reseed"] = "reseed"
    seed: int


class CaptureStart(FrozenModel):
    """After the answer the connection carries a capture in pcapng, and nothing else.

    It ends when the client shuts down its side or is gone, or at a `CaptureStop` of any client;
    then the queued frames follow, and a block of statistics.
    """

    op: Literal["capture_start"] = "capture_start"
    link: str
    to: str
    """The destination, as a description: the fabric opens no files."""


class CaptureStop(FrozenModel):
    """Stops all captures of a link; the answer lists their destinations."""

    op: Literal["capture_stop"] = "capture_stop"
    link: str


class Snapshot(FrozenModel):
    op: Literal["snapshot"] = "snapshot"


class Load(FrozenModel):
    op: Literal["load"] = "load"
    snapshot: FabricSnapshot


Request = Annotated[
    Ping | Links | Set | Heal | Reseed | CaptureStart | CaptureStop | Snapshot | Load,
    Field(discriminator="op"),
]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Trouble(FrozenModel):
    """An error that is returned to the client."""

    kind: Literal["input", "lab"]
    message: str
    remedy: str = ""

    @classmethod
    def of(cls, error: EdgeLabError) -> Trouble:
        kind: Literal["input", "lab"] = "input" if isinstance(error, InputError) else "lab"
        return cls(kind=kind, message=error.message, remedy=error.remedy)

    def error(self) -> EdgeLabError:
        if self.kind == "input":
            return InputError(self.message, remedy=self.remedy)
        return LabError(self.message, remedy=self.remedy)


class Answer(FrozenModel):
    result: Any = None
    trouble: Trouble | None = None


class Pong(FrozenModel):
    pid: int
    links: int


LINKS: TypeAdapter[tuple[LinkStatus, ...]] = TypeAdapter(tuple[LinkStatus, ...])
