"""How long a proof needs to observe a rare fault: it makes fewer reads on a slow line."""

from __future__ import annotations

import math

from edge_lab.devices.serial.timing import LineTiming
from edge_lab.faults.limits import PROOF_SECONDS
from edge_lab.topology import SerialOptions

REQUEST_CHARACTERS, ANSWER_CHARACTERS = 8, 7
"""Characters of the read that a line makes itself: sent to the device, and received from it."""
CHARACTER_TIMES = REQUEST_CHARACTERS + 3 * 3.5
"""Character times from one read to the next on an otherwise unused line: the request, the silent
interval that ends it, and those before the next read."""
OVERHEAD_SECONDS = 0.08
"""Seconds per read for the pause before it and for processing."""
FREE = 0.5
"""Minimum fraction of time in which the line is not used by others."""

MISSED = 0.001
"""Probability that a proof ends before it has observed its fault."""
MOST_PROOF_SECONDS = 300.0
"""Maximum seconds to wait for an effect."""

CHARACTERS_HIT = {
    "both": REQUEST_CHARACTERS + ANSWER_CHARACTERS,
    "rx": REQUEST_CHARACTERS,
    "tx": ANSWER_CHARACTERS,
}
"""Characters of a read that a fault of that direction can affect."""


def read_seconds(line: SerialOptions) -> float:
    """Seconds from the beginning of one read to that of the next."""
    return (CHARACTER_TIMES * LineTiming.of(line).character + OVERHEAD_SECONDS) / FREE


def proof_seconds(line: SerialOptions, direction: str, probability: float) -> float:
    """Seconds until a fault with that probability per character is observed, except with the
    probability MISSED; at least PROOF_SECONDS."""
    if probability >= 1:
        return PROOF_SECONDS
    characters = math.log(MISSED) / math.log1p(-probability)
    reads = characters / CHARACTERS_HIT[direction]
    return max(PROOF_SECONDS, reads * read_seconds(line))


def least_probability(line: SerialOptions, direction: str) -> float:
    """The lowest probability that is observed in time, rounded up to four decimal places."""
    characters = CHARACTERS_HIT[direction] * MOST_PROOF_SECONDS / read_seconds(line)
    return math.ceil(-math.expm1(math.log(MISSED) / characters) * 1e4) / 1e4
