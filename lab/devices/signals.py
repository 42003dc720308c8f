"""Values that go wrong on purpose, and what they would have been: pure, the same on every run.

What a signal shows at a step follows from seed and sequence number alone, so that there is no
state to save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from edge_lab.topology import Signal

WAVE_STEPS = 50
"""Steps of one period of the sine under a spike or a dip."""
AMPLITUDE = 100.0
JUMP = 1000.0
"""How far a spike is above, or a dip below, what would have been there."""
LEVEL = 100.0
"""Where a trend begins."""
_BEGINS = range(20, 101)
"""Steps after which a trend may begin; the seed tells which."""


@dataclass(frozen=True)
class Reading:
    """What a signal shows, and what it would show if nothing were wrong."""

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
