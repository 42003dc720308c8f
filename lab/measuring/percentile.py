"""Percentiles by the nearest rank, so that each is a measured value; used everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The percentile of sorted values by the nearest rank.

    NaN if there are no values.
    """
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]
