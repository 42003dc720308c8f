"""The status of links and their captures."""

from __future__ import annotations

from edge_lab.fabric.counters import LinkCounters
from edge_lab.fabric.frozen import FrozenModel
from edge_lab.fabric.state import DirectionState


class CaptureStatus(FrozenModel):
    """One capture of a link, as the fabric sees it."""

    to: str
    """The destination as described by the client."""
    frames: int = 0
    """Frames that matched the capture so far."""
    dropped: int = 0
    """Those that were dropped because the reader was too slow."""


class LinkStatus(FrozenModel):
    """The status of one link."""

    name: str
    network: str
    tx: DirectionState
    rx: DirectionState
    counters: LinkCounters
    captures: tuple[CaptureStatus, ...] = ()
    """The running captures."""

    @property
    def state(self) -> str:
        """In words: `up`, `cut`, or the state of each direction where they differ."""
        if self.tx == self.rx:
            return str(self.tx)
        return f"tx {self.tx}; rx {self.rx}"
