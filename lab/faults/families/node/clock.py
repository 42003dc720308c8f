"""Faults of a node's clock."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.node.action import NodeAction
from edge_lab.faults.families.node.kinds import ClockJump, ClockSkew
from edge_lab.faults.limits import COMMAND_SECONDS

if TYPE_CHECKING:
    from edge_lab.machines import ClockOffset, Machine

TICK = 10_000
"""Microseconds that the kernel adds at each of 100 ticks a second at the nominal rate."""

FREQUENCY_UNIT = 65_536
"""Units of the kernel's frequency per ppm."""

MEASURABLE_PPM = 10_000
"""A larger skew is measurable within seconds; for a smaller one the kernel's setting is read."""

_TICK = re.compile(r"tick:\s+(-?\d+)")
_FREQUENCY = re.compile(r"freq\.adjust:\s+(-?\d+)")


class ClockJumpAction(NodeAction[ClockJump]):
    def check(self, machine: Machine, fault: ClockJump) -> None:
        self._can_tell(machine, fault.seconds)

    def inject(self, machine: Machine, fault: ClockJump) -> str:
        seconds = fault.seconds
        before = self._can_tell(machine, seconds)
        machine.move_clock(seconds, self.tools.limit(COMMAND_SECONDS))
        after = machine.clock_offset(self.tools.limit(COMMAND_SECONDS))
        moved = after.seconds - before.seconds
        doubt = before.doubt + after.doubt
        if abs(moved) <= doubt + abs(seconds) / 2 or abs(moved - seconds) > max(1.0, doubt):
            raise LabError(
                f"no effect was seen: the clock of {machine.name} moved by {moved:+.1f} s, not by "
                f"{seconds:+g} s"
            )
        return f"its clock is {after.seconds:+.1f} s off the host's"

    def heal(self, machine: Machine, fault: ClockJump) -> str:
        return self.tools.correct_clock(machine)

    def _can_tell(self, machine: Machine, seconds: float) -> ClockOffset:
        """The difference of the clock, if such a jump is measurable; InputError if not."""
        before = machine.clock_offset(self.tools.limit(COMMAND_SECONDS))
        if abs(seconds) <= 4 * before.doubt:
            raise InputError(
                f"a jump of {seconds:g} s is too small to measure: the clock of "
                f"{machine.name} can only be read to within {before.doubt:.2f} s",
                remedy="Use a larger jump.",
            )
        return before


class ClockSkewAction(NodeAction[ClockSkew]):
    def inject(self, machine: Machine, fault: ClockSkew) -> str:
        ppm = fault.ppm
        before = machine.clock_offset(self.tools.limit(COMMAND_SECONDS))
        began = time.monotonic()
        self._set_frequency(machine, ppm)
        said = self.tools.run(machine, "busybox adjtimex")
        tick, frequency = _TICK.search(said), _FREQUENCY.search(said)
        if tick is None or frequency is None:
            raise LabError(f"unexpected output of adjtimex on {machine.name}: {said!r}")
        shown = (int(tick[1]) - TICK) * 100 + int(frequency[1]) / FREQUENCY_UNIT
        if abs(shown - ppm) > 1:
            raise LabError(
                f"no effect was seen: the kernel of {machine.name} reports {shown:g} ppm"
            )
        if abs(ppm) < MEASURABLE_PPM:
            return f"its kernel's clock runs {shown:+g} ppm off"

        def drifted() -> bool:
            now = machine.clock_offset(self.tools.limit(COMMAND_SECONDS))
            due = (time.monotonic() - began) * ppm / 1e6
            doubt = before.doubt + now.doubt
            gone = now.seconds - before.seconds
            return abs(due) > 2 * doubt and abs(gone - due) <= max(abs(due) / 2, doubt)

        self.tools.see(f"the clock of {machine.name} drifts", drifted)
        return f"its clock drifts by {ppm:+d} ppm"

    def heal(self, machine: Machine, fault: ClockSkew) -> str:
        self._set_frequency(machine, 0)
        return self.tools.correct_clock(machine)

    def _set_frequency(self, machine: Machine, ppm: int) -> None:
        """Sets the rate of the clock: by ticks as far as possible, the rest by frequency."""
        ticks = round(ppm / 100)
        frequency = (ppm - ticks * 100) * FREQUENCY_UNIT
        self.tools.run(machine, f"busybox adjtimex -q -t {TICK + ticks} -f {frequency}")
