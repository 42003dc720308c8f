"""Looks at a guest's clock, over the management path that no fault touches."""

from __future__ import annotations

import time
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds, ClockLook, bounds_of

LOOKS = 12
"""The narrowest of so many round trips counts, and those beside it narrow it further."""

COMMAND = "echo $EPOCHREALTIME"
"""A builtin of bash: a process of its own would take an emulated CPU longer than the answer."""


class Shell(Protocol):
    """As much of a machine as this needs."""

    @property
    def name(self) -> str: ...

    def run(self, command: str, deadline: Deadline) -> Said: ...


class Said(Protocol):
    @property
    def stdout(self) -> str: ...


def clock_bounds(machine: Shell, deadline: Deadline, looks: int = LOOKS) -> ClockBounds:
    """How far the guest's clock is ahead of the host's now.

    Raises:
        LabError: the guest does not tell its time, or a clock was set between two looks.
    """
    return bounds_of([_look(machine, deadline) for _ in range(looks)])


def _look(machine: Shell, deadline: Deadline) -> ClockLook:
    asked = time.time_ns()
    said = machine.run(COMMAND, deadline).stdout.strip()
    answered = time.time_ns()
    # In some locales the point is a comma.
    seconds, _, micros = said.replace(",", ".").partition(".")
    if not (seconds.isdecimal() and micros.isdecimal() and len(micros) == 6):
        raise LabError(f"{machine.name} does not tell its time: {said[:80]!r}")
    return ClockLook(asked, (int(seconds) * 1_000_000 + int(micros)) * 1000, answered)
