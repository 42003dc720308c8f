"""How long each node took for a stage, as text in the proof of a fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NODE = re.compile(r"(?:^|, )([a-z0-9-]+) (\d+\.\d) s")


@dataclass(frozen=True)
class StageTimes:
    """Seconds by node: from its first changed file until it was seen to work again."""

    seconds: Mapping[str, float]

    def __str__(self) -> str:
        return ", ".join(f"{node} {taken:.1f} s" for node, taken in self.seconds.items())

    @classmethod
    def read(cls, proof: str) -> StageTimes:
        """Parses that text; empty for any other text."""
        return cls({node: float(taken) for node, taken in _NODE.findall(proof)})
