"""Collects a node's memory after rounds of the same work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_lab.evidence.leaks import LeakEvidence, LeakRound
from edge_lab.observe.memory.looking import look_at_memory

if TYPE_CHECKING:
    from edge_lab.core.deadline import Deadline
    from edge_lab.handle.lab import Lab


@dataclass
class MemoryRounds:
    """One run of rounds on one node."""

    lab: Lab
    node: str
    unit: str
    """Of the work."""
    done: float = 0.0
    _rounds: list[LeakRound] = field(default_factory=list)

    def ended(self, work: float, deadline: Deadline) -> None:
        """Records the end of a round of so much work, with the node idle.

        Raises:
            LabError: the output of the node is incomplete.
        """
        self.done += work
        seen = look_at_memory(self.lab, self.node, deadline)
        self._rounds.append(LeakRound(done=self.done, seen=seen))

    @property
    def evidence(self) -> LeakEvidence:
        return LeakEvidence(
            node=self.node,
            runtime=self.lab.stack_name,
            unit=self.unit,
            rounds=tuple(self._rounds),
        )
