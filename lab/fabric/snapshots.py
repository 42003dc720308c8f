"""All that decides what the fabric does to the frames to come, to be saved and loaded."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_lab.fabric.frozen import FrozenModel
from edge_lab.fabric.state import DirectionState

Connection = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
"""Source and destination address, source and destination port of TCP, hexadecimal."""
Memory = int | tuple[Connection, ...]
"""What one stage keeps from frame to frame."""


class PipeSnapshot(FrozenModel):
    """All that decides what one direction does to the frames to come."""

    state: DirectionState
    positions: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """By stage: how many random numbers it has drawn."""
    memory: dict[str, Memory] = Field(default_factory=dict)
    """By stage: what it keeps from frame to frame."""


class LinkSnapshot(FrozenModel):
    tx: PipeSnapshot
    rx: PipeSnapshot


class FabricSnapshot(FrozenModel):
    """All that decides what the fabric does to the frames to come."""

    seed: int
    links: dict[str, LinkSnapshot]
