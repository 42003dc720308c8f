"""The state of the fabric that determines what happens to future frames, for checkpoints."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_lab.fabric.frozen import FrozenModel
from edge_lab.fabric.state import DirectionState

Connection = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
"""Source and destination address, source and destination port of TCP, hexadecimal."""
MOST = 2**63 - 1
"""Numbers beyond it are of no fabric, and more than a random stream can seek."""

Memory = Annotated[int, Field(ge=-MOST, le=MOST)] | tuple[Connection, ...]
"""The state that one stage keeps between frames."""


class PipeSnapshot(FrozenModel):
    """The state of one direction of a link."""

    state: DirectionState
    positions: dict[str, Annotated[int, Field(ge=0, le=MOST)]] = Field(default_factory=dict)
    """By stage: the number of random numbers drawn."""
    memory: dict[str, Memory] = Field(default_factory=dict)
    """By stage: its state between frames."""


class LinkSnapshot(FrozenModel):
    tx: PipeSnapshot
    rx: PipeSnapshot


class FabricSnapshot(FrozenModel):
    """The state of the whole fabric."""

    seed: int
    links: dict[str, LinkSnapshot]
