"""A guest's clock: its difference to the host's, and how it is set."""

from __future__ import annotations

import itertools
import time

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.machines.api import ClockOffset
from edge_lab.machines.shell import GuestShell

CLOCK_TOLERANCE = 0.25
"""Seconds of difference to the host's clock that `set_clock` accepts immediately."""

CLOCK_LIMIT = 2.0
"""Seconds of difference that may remain on a busy host; with more, the machine is broken."""

CLOCK_LOOKS = 3
CLOCK_CORRECTIONS = 2


class ShellClock:
    """The `GuestClock` of one machine: read and set with date(1) in its shell."""

    def __init__(self, shell: GuestShell) -> None:
        self._shell = shell

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        """How far the guest's clock is ahead of the host's: the best of some readings.

        The guest reads its clock at some point between request and answer, so the error is up to
        half of that time. It is read again until the error is below CLOCK_LIMIT.

        Raises:
            DeadlineExceeded: the guest is too slow for that.
        """
        best = ClockOffset(0.0, float("inf"))
        for look in itertools.count(1):
            sent = time.time()
            shown = float(self._shell.run("date +%s.%N", deadline).stdout)
            received = time.time()
            seen = ClockOffset(shown - (sent + received) / 2, (received - sent) / 2)
            best = min(best, seen, key=lambda offset: offset.doubt)
            if best.doubt <= CLOCK_TOLERANCE / 2:
                break
            if look >= CLOCK_LOOKS and best.doubt <= CLOCK_LIMIT:
                break
        return best

    def set_clock(self, deadline: Deadline) -> float:
        """Sets the guest's clock to the host's. Returns the remaining difference in seconds."""
        left = self.clock_offset(deadline)
        for _ in range(CLOCK_CORRECTIONS):
            if left.fits(CLOCK_TOLERANCE):
                return left.seconds
            self.move_clock(-left.seconds, deadline)
            left = self.clock_offset(deadline)
        if abs(left.seconds) <= CLOCK_LIMIT:
            return left.seconds
        raise LabError(
            f"{self._shell.name}: its clock is still {left.seconds:+.2f} s off the host's"
        )

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        """Moves the guest's clock by `seconds`.

        A relative change: `date` adds it to the current time when it runs, so the delays of the
        command and of starting a process on a busy guest do not matter.
        """
        self._shell.run(f"date -s '{seconds:+.6f} seconds' > /dev/null", deadline)
