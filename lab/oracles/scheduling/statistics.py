"""Statistics of times: percentiles with their intervals, and ratios of interleaved samples.

NumPy and SciPy are imported where an interval is computed: no verdict needs one, and importing
`scipy.stats` takes a second and a half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from edge_lab.core.errors import LabError
from edge_lab.measuring.percentile import percentile

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 20240101
"""So that the same sample always has the same interval."""


@dataclass(frozen=True)
class Interval:
    """Confidence is 0.95 unless stated otherwise."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """A sample of times, s."""

    values: tuple[float, ...]
    """From the shortest to the longest."""
    error: float
    """The maximum error of each value."""
    p50: float
    p90: float
    p99: float
    most: float

    @property
    def count(self) -> int:
        return len(self.values)

    @cached_property
    def p50_interval(self) -> Interval | None:
        """None of a single value."""
        return _bootstrapped(self.values, 50)

    @cached_property
    def p90_interval(self) -> Interval | None:
        """None of a single value."""
        return _bootstrapped(self.values, 90)

    def below_error(self, value: float) -> bool:
        """Whether the value is within the error, so that it has no figure."""
        return value <= self.error


def summary(values: Sequence[float], error: float = 0.0) -> Summary:
    """Summarizes a sample: percentiles by the nearest rank, intervals by the bootstrap.

    Raises:
        LabError: the sample is empty.
    """
    if not values:
        raise LabError("no evidence: no time was measured")
    ordered = tuple(sorted(float(value) for value in values))
    p50, p90, p99 = (percentile(ordered, percent) for percent in (50, 90, 99))
    return Summary(values=ordered, error=error, p50=p50, p90=p90, p99=p99, most=ordered[-1])


def _bootstrapped(values: Sequence[float], percent: int) -> Interval | None:
    """The percentile bootstrap: the interval of a percentile over resamples of the sample."""
    import numpy as np
    from scipy import stats

    if len(values) < 2:
        return None
    found = stats.bootstrap(
        (np.asarray(values, dtype=float),),
        lambda sample, axis: np.percentile(sample, percent, axis=axis, method="inverted_cdf"),
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(*(_unrounded(float(end), values) for end in found))


def _unrounded(end: float, values: Sequence[float]) -> float:
    """SciPy interpolates between resamples, also between equal ones, and may round to just beside
    their value."""
    nearest = min(values, key=lambda value: abs(value - end))
    return nearest if math.isclose(nearest, end, rel_tol=1e-12) else end


@dataclass(frozen=True)
class Ratio:
    """The ratio of the times of two conditions, by pairs of one run."""

    value: float
    interval: Interval | None
    """None of a single pair."""
    pairs: int
    confidence: float = CONFIDENCE

    @property
    def significant(self) -> bool:
        """Whether the difference is significant: the interval does not contain 1."""
        return self.interval is not None and not self.interval.low <= 1 <= self.interval.high

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:.2f}, of one pair: not significant"
        bounds = f"{self.value:.2f} ({self.interval.low:.2f} to {self.interval.high:.2f})"
        return bounds if self.significant else f"{bounds}: not significant"


def ratio(base: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """The geometric mean of `other` / `base` over interleaved pairs.

    Changes from pair to pair, such as the host's load, cancel out. The interval is Student's, of
    the logarithms: with five pairs a bootstrap would be a third too narrow.

    Raises:
        LabError: the times are not pairs, or one is not positive.
    """
    import numpy as np
    from scipy import stats

    if len(base) != len(other) or not base:
        raise LabError(f"not pairs: {len(base)} and {len(other)} times")
    if min(*base, *other) <= 0:
        raise LabError("a ratio needs times that are long enough to be measured")
    logs = np.log(np.asarray(other, dtype=float) / np.asarray(base, dtype=float))
    mean = float(logs.mean())
    if len(logs) < 2:
        return Ratio(math.exp(mean), None, len(logs), confidence)
    half = float(stats.sem(logs) * stats.t.ppf((1 + confidence) / 2, len(logs) - 1))
    interval = Interval(math.exp(mean - half), math.exp(mean + half))
    return Ratio(math.exp(mean), interval, len(logs), confidence)
