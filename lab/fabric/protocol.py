"""What is said over the control socket: one JSON object a line, an answer to each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.fabric.state import DirectionState, FabricSnapshot, LinkStatus


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ping(_Model):
    op: Literal["ping"] = "ping"


class Links(_Model):
    op: Literal["links"] = "links"


class Set(_Model):
    """Puts the states that are given in force; what is null stays as it is."""

    op: Literal["set"] = "set"
    link: str
    tx: DirectionState | None = None
    rx: DirectionState | None = None


class Heal(_Model):
    """Clears one link, or all of them."""

    op: Literal["heal"] = "heal"
    link: str | None = None


class Reseed(_Model):
    """Begins all random streams anew from `seed`."""

    op: Literal["reseed"] = "reseed"
    seed: int


class CaptureStart(_Model):
    """After the answer the connection bears a capture in pcapng, and nothing else.

    It ends when the asker shuts its side or is gone, or at a `CaptureStop` of anybody; then come
    the frames that still wait, and a block of statistics.
    """

    op: Literal["capture_start"] = "capture_start"
    link: str
    to: str
    """Where it goes, in words: the fabric opens nothing."""


class CaptureStop(_Model):
    """Ends all captures of a link; the answer says where they went."""

    op: Literal["capture_stop"] = "capture_stop"
    link: str


class Snapshot(_Model):
    op: Literal["snapshot"] = "snapshot"


class Load(_Model):
    op: Literal["load"] = "load"
    snapshot: FabricSnapshot


Request = Annotated[
    Ping | Links | Set | Heal | Reseed | CaptureStart | CaptureStop | Snapshot | Load,
    Field(discriminator="op"),
]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Trouble(_Model):
    """An error that goes back to the asker."""

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


class Answer(_Model):
    result: Any = None
    trouble: Trouble | None = None


class Pong(_Model):
    pid: int
    links: int


LINKS: TypeAdapter[tuple[LinkStatus, ...]] = TypeAdapter(tuple[LinkStatus, ...])
