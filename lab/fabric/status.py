"""Links and their captures as they are now."""

from __future__ import annotations

from edge_lab.fabric.counters import LinkCounters
from edge_lab.fabric.frozen import FrozenModel
from edge_lab.fabric.state import DirectionState


class CaptureStatus(FrozenModel):
    """One capture of a link, as the fabric sees it."""

    to: str
    """Where it goes, in the words of whoever asked for it."""
    frames: int = 0
    """Frames that were to be captured so far."""
    dropped: int = 0
    """Those of them that were left out, as the reader was too slow."""


class LinkStatus(FrozenModel):
    """One link as it is now."""

    name: str
    network: str
    tx: DirectionState
    rx: DirectionState
    counters: LinkCounters
    captures: tuple[CaptureStatus, ...] = ()
    """Those that are under way."""

    @property
    def state(self) -> str:
        """In words: `up`, `cut`, or what each direction does where they differ."""
        if self.tx == self.rx:
            return str(self.tx)
        return f"tx {self.tx}; rx {self.rx}"
