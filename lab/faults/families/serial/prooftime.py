"""How long a proof needs to meet a rare fault: on a slow line it makes few reads in its time."""

from __future__ import annotations

import math

from edge_lab.devices.serial.timing import LineTiming
from edge_lab.faults.limits import PROOF_SECONDS
from edge_lab.topology import SerialOptions

REQUEST_CHARACTERS, ANSWER_CHARACTERS = 8, 7
"""Of the read that a line makes itself: the device receives the first, and sends the second."""
CHARACTER_TIMES = REQUEST_CHARACTERS + 3 * 3.5
"""Between the beginnings of two reads, on a line that is not used otherwise: the request, and the
silences that end it and that are waited for before the next."""
OVERHEAD_SECONDS = 0.08
"""Of each read: the pause before it, and what processes take."""
FREE = 0.5
"""The part of the time in which nobody else speaks, at the least."""

MISSED = 0.001
"""Chance that a proof is over before it has met its fault."""
MOST_PROOF_SECONDS = 300.0
"""Longer than that nobody waits for a fault to take effect."""

CHARACTERS_HIT = {
    "both": REQUEST_CHARACTERS + ANSWER_CHARACTERS,
    "rx": REQUEST_CHARACTERS,
    "tx": ANSWER_CHARACTERS,
}
"""Characters of a read that a fault of that direction may hit."""


def read_seconds(line: SerialOptions) -> float:
    """From the beginning of one read to that of the next."""
    return (CHARACTER_TIMES * LineTiming.of(line).character + OVERHEAD_SECONDS) / FREE


def proof_seconds(line: SerialOptions, direction: str, probability: float) -> float:
    """Until a fault that hits each character with that chance is met, but for the chance MISSED;
    not less than any proof has."""
    if probability >= 1:
        return PROOF_SECONDS
    characters = math.log(MISSED) / math.log1p(-probability)
    reads = characters / CHARACTERS_HIT[direction]
    return max(PROOF_SECONDS, reads * read_seconds(line))


def least_probability(line: SerialOptions, direction: str) -> float:
    """The least that is met in time, rounded up to four digits behind the point."""
    characters = CHARACTERS_HIT[direction] * MOST_PROOF_SECONDS / read_seconds(line)
    return math.ceil(-math.expm1(math.log(MISSED) / characters) * 1e4) / 1e4
