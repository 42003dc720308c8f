"""What is written down of a fault: when it was asked for, when it was seen, when it was gone."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from edge_lab.faults.anyfault import AnyFault


class FaultRecord(BaseModel):
    """One fault from its injection to its cure. Times are ns since 1970, the host's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    """Counts up from 1 in the life of a lab."""
    fault: AnyFault
    began: int
    """When the injection was asked for."""
    seen: int | None = None
    """When its effect had been observed; None if it never was."""
    proof: str = ""
    """What was observed."""
    heal_began: int | None = None
    healed: int | None = None
    """When its cure had been observed."""
    cure: str = ""
    """What was observed then."""

    @property
    def in_force(self) -> bool:
        return self.healed is None
