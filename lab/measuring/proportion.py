"""The confidence interval of a proportion from few trials."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""Of the standard normal distribution: 95 % lie within this many deviations."""


def wilson(count: int, tries: int, z: float = Z_95) -> tuple[float, float]:
    """The interval of a proportion seen in `count` of `tries`; (0, 1) for no trials.

    Wilson's score interval (1927): within 0 and 1, and not a single point for 0 of n, unlike the
    normal approximation.
    """
    if not 0 <= count <= tries:
        raise ValueError(f"{count} of {tries}")
    if not tries:
        return 0.0, 1.0
    share = count / tries
    middle = share + z * z / (2 * tries)
    reach = z * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    whole = 1 + z * z / tries
    low = 0.0 if count == 0 else max(0.0, (middle - reach) / whole)
    high = 1.0 if count == tries else min(1.0, (middle + reach) / whole)
    return low, high
