"""The record of a fault: when it was requested, when its effect and its recovery were seen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from edge_lab.faults.anyfault import AnyFault


class FaultRecord(BaseModel):
    """One fault from its injection to its recovery. Times are ns since 1970, the host's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    """Counts up from 1 during the lifetime of a lab."""
    fault: AnyFault
    began: int
    """When the injection was requested."""
    seen: int | None = None
    """When its effect had been observed; None if never."""
    proof: str = ""
    """The observed effect."""
    heal_began: int | None = None
    healed: int | None = None
    """When its recovery had been observed."""
    cure: str = ""
    """The observed recovery."""

    @property
    def active(self) -> bool:
        return self.healed is None
