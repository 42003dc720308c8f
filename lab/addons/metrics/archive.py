"""Blocks in the object storage, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_lab.addons.metrics.senders import SIDECAR_SENDER
from edge_lab.core.errors import LabError

META = "meta.json"


@dataclass(frozen=True)
class Block:
    """A block in the object storage."""

    name: str
    files: Mapping[str, int]
    """Sizes by path, bytes."""
    node: str = ""
    """The node that it is from; empty without meta.json, in which it is written."""
    samples: int = 0
    start: float = 0.0
    """Of its samples, seconds since 1970."""
    uploaded: float = 0.0
    """When its upload was complete, seconds since 1970, by the node's clock."""
    expected: Mapping[str, int | None] | None = None
    """Sizes of its other files by meta.json, which is uploaded last; None without it."""

    @property
    def problem(self) -> str:
        """Why it is not whole; empty if it is."""
        if self.expected is None:
            return f"it has no {META}"
        wrong = [
            f"{path} has {self.files.get(path, 'no')} bytes instead of {size}"
            for path, size in self.expected.items()
            if size is not None and self.files.get(path) != size
        ]
        return "; ".join(wrong)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(self.files.values())


def parse_blocks(text: str) -> dict[str, Block]:
    """What guest/blocks.py prints, by name; LabError if it is something else."""
    try:
        return {name: _block(name, content) for name, content in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as trouble:
        raise LabError(f"no list of blocks: {text[:200]!r}") from trouble


def _block(name: str, content: Mapping[str, Any]) -> Block:
    meta = content["meta"]
    if meta is None:
        return Block(name, content["files"])
    thanos = meta["thanos"]
    if thanos["labels"].get("sender") != SIDECAR_SENDER.name:
        raise LabError(f"block {name} has the labels {thanos['labels']}")
    return Block(
        name,
        content["files"],
        node=thanos["labels"]["node"],
        samples=meta["stats"]["numSamples"],
        start=meta["minTime"] / 1000,
        uploaded=datetime.fromisoformat(thanos["upload_time"]).timestamp(),
        # It does not list its own size.
        expected={
            file["rel_path"]: file.get("size_bytes")
            for file in thanos["files"]
            if file["rel_path"] != META
        },
    )
