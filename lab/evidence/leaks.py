"""A node's memory over rounds of the same work, as data."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from edge_lab.evidence.memory import NodeMemorySeen


class LeakRound(BaseModel):
    """The observation after a round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: float
    """Total work so far: pods, reconnections, minutes."""
    seen: NodeMemorySeen


class LeakEvidence(BaseModel):
    """All rounds of one run, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    runtime: str
    unit: str
    """The unit of work: `pod`, `reconnect`, `min`."""
    rounds: tuple[LeakRound, ...]

    def altered(self, **change: Any) -> LeakEvidence:
        """A copy with changed fields, for negative controls."""
        return self.model_copy(update=change)
