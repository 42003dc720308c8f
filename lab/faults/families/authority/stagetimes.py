"""How long each node took for a stage, as it stands in the proof of a fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NODE = re.compile(r"(?:^|, )([a-z0-9-]+) (\d+\.\d) s")


@dataclass(frozen=True)
class StageTimes:
    """Seconds by node: from its first file until it was seen at work again."""

    seconds: Mapping[str, float]

    def __str__(self) -> str:
        return ", ".join(f"{node} {taken:.1f} s" for node, taken in self.seconds.items())

    @classmethod
    def read(cls, proof: str) -> StageTimes:
        """Of the text that this is; empty for any other."""
        return cls({node: float(taken) for node, taken in _NODE.findall(proof)})
