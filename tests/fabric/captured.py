"""What tests of captures share: frames that pass, and captures read back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pcapng import FileScanner  # type: ignore[import-untyped]
from pcapng.blocks import EnhancedPacket  # type: ignore[import-untyped]

from edge_lab.core.deadline import Deadline

from .started import Started
from .wires import BROADCAST, numbered


def blocks_of(data: bytes | Path, kind: type = EnhancedPacket) -> list[Any]:
    """Read by a library that shares no code with the writer, and raises for half a block."""
    raw = data.read_bytes() if isinstance(data, Path) else data
    return [block for block in FileScanner(io.BytesIO(raw)) if isinstance(block, kind)]


def frames_of(data: bytes | Path) -> list[bytes]:
    return [block.packet_data for block in blocks_of(data)]


def exchange(fabric: Started, count: int, first: int = 0, length: int = 60) -> list[bytes]:
    """Endpoint 0 sends, endpoint 1 must get each frame."""
    sent = [numbered(0, BROADCAST, number, length) for number in range(first, first + count)]
    for data in sent:
        fabric.ends[0].send(data)
        assert fabric.ends[1].recv(65_536) == data
    return sent


def soon(what: str, seen: Callable[[], object]) -> None:
    Deadline.after(60).wait_for(what, seen, every=0.01)


def captures(fabric: Started, link: str = "l0") -> int:
    return len(fabric.client.link(link).captures)
