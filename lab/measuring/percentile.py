"""Percentiles, one way for all: by the nearest rank, so that each is a value that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least of the values, which are sorted, that so many per cent of them do not exceed.

    NaN if there are no values.
    """
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]
