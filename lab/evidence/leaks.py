"""A node's memory over rounds of the same work, as data."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from edge_lab.evidence.memory import NodeMemorySeen


class LeakRound(BaseModel):
    """What was seen after a round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: float
    """So much work in all: pods, reconnections, minutes."""
    seen: NodeMemorySeen


class LeakEvidence(BaseModel):
    """All rounds of one run, in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    runtime: str
    unit: str
    """Of the work: `pod`, `reconnect`, `min`."""
    rounds: tuple[LeakRound, ...]

    def altered(self, **change: Any) -> LeakEvidence:
        """The same with other fields: for negative controls."""
        return self.model_copy(update=change)
