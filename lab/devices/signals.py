"""Signals with deliberate anomalies, and their clean values: pure, reproducible.

A signal's value at a step follows from seed and sequence number alone, so that there is no
state to save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from edge_lab.topology import Signal

WAVE_STEPS = 50
"""Steps of one period of the sine."""
AMPLITUDE = 100.0
JUMP = 1000.0
"""Height of a spike, or depth of a dip."""
LEVEL = 100.0
"""Initial level of a trend."""
_BEGINS = range(20, 101)
"""Range of steps in which a trend may begin, by seed."""


@dataclass(frozen=True)
class Reading:
    """The value of a signal, and its value without the anomaly."""

    value: float
    clean: float

    @property
    def is_wrong(self) -> bool:
        return self.value != self.clean


def reading(signal: Signal, seed: int, seq: int, anomaly: float) -> Reading:
    """The signal at step `seq`; `anomaly` is the part of the steps that spike or dip."""
    match signal:
        case Signal.SPIKE | Signal.DIP:
            clean = round(AMPLITUDE * math.sin(2 * math.pi * seq / WAVE_STEPS), 3)
            if Random(f"{seed}:{signal}:{seq}").random() >= anomaly:
                return Reading(clean, clean)
            jump = JUMP if signal is Signal.SPIKE else -JUMP
            return Reading(round(clean + jump, 3), clean)
        case Signal.RISING | Signal.FALLING:
            passed = max(0, seq - trend_begins(signal, seed))
            return Reading(LEVEL + (passed if signal is Signal.RISING else -passed), LEVEL)


def trend_begins(signal: Signal, seed: int) -> int:
    """The last step at which a trend still shows its level."""
    return Random(f"{seed}:{signal}").choice(_BEGINS)
