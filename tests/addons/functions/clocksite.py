"""A `Site` whose edge node has a clock of its own, which can be set."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence

from edge_lab.oracles.scheduling.clock import ClockBounds, ClockLook, bounds_of
from tests.addons.functions.site import Site
from tests.addons.nodeclock import NodeClock

LOOKS = 3


class ClockSite(Site):
    """Its program must be linked dynamically."""

    obeys = True
    """Whether the clock can be set; the planted defect is False."""

    @property
    def own_clock(self) -> NodeClock:
        return NodeClock(self.folder)

    def start_all(self) -> None:
        self.own_clock.make()
        super().start_all()

    def start(self, name: str, argv: Sequence[str]) -> None:
        if name != "cloud":
            argv = (*self.own_clock.prefix(), *argv)
        super().start(name, argv)

    def _function(self, way: str) -> tuple[str, ...]:
        return (*self.own_clock.prefix(), *super()._function(way))

    def clock(self, node: str) -> ClockBounds:
        return bounds_of(self._look() for _ in range(LOOKS))

    def _look(self) -> ClockLook:
        """As a program with that clock shows it."""
        command = (*self.own_clock.prefix(), shutil.which("date") or "/bin/date", "+%s%N")
        asked = time.time_ns()
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return ClockLook(asked, int(shown), time.time_ns())

    @contextlib.contextmanager
    def wrong_clock(self, node: str, seconds: float) -> Iterator[None]:
        self.own_clock.set(round(seconds) if self.obeys else 0)
        try:
            yield
        finally:
            self.own_clock.set(0)
