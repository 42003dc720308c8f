"""The times between a device's steps, by the host's clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class StepTimes:
    """The mean time between steps since `restart`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Forgets the steps so far."""
        self._first: float | None = None
        self._last = 0.0
        self.count = 0
        """Times between two steps."""

    def step(self) -> None:
        """Records a step."""
        now = self._clock()
        if self._first is None:
            self._first = now
        else:
            self.count += 1
        self._last = now

    @property
    def mean_ms(self) -> float | None:
        """None before the second step."""
        if self._first is None or not self.count:
            return None
        return (self._last - self._first) / self.count * 1000
