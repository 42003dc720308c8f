"""Whether a part of a node's memory grows with the work done.

After each round of the same work the node is idle again, and its memory should be as before. A line
is fitted through the size of each part after each round; its slope has a confidence interval by
Student's distribution. As there are many parts, the intervals are widened so that *all* of them
together hold with the confidence (Bonferroni); otherwise one in twenty would be a false alarm.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.evidence.leaks import LeakEvidence, LeakRound
from edge_lab.evidence.memory import Group, NodeMemorySeen
from edge_lab.measuring.measures import Better, Measure, identifier
from edge_lab.oracles.verdict import Verdict

CONFIDENCE = 0.95
WARM_UP = 0.25
"""Share of rounds not judged: caches fill and pools grow to their working size."""
LEAST_ROUNDS = 6
"""Minimum judged rounds: with fewer, the intervals are too wide to be useful."""
LEAST_MIB = 1.0
"""Growth over all judged rounds that is reported; counters are rounded to a tenth of it."""

FOLLOWED = frozenset(Group) - {
    Group.RESERVED,
    Group.PAGE_CACHE,
    Group.UNACCOUNTED,
    Group.FREE,
}
"""Free memory and files cannot leak."""

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Slope:
    """The growth of a part, MiB per unit of work; the interval is that of all parts together."""

    part: str
    group: Group
    value: float
    low: float
    high: float
    work: float
    """Work from the first judged round to the last."""
    least: float
    most: float
    """Size of the part, MiB."""

    @property
    def growth_mib(self) -> float:
        """Growth over all judged rounds, MiB."""
        return self.value * self.work

    @property
    def leaks(self) -> bool:
        """Whether the growth is significant and large enough to matter."""
        return self.low > 0 and self.growth_mib >= LEAST_MIB

    def told(self, unit: str) -> str:
        bounds = (KIB_PER_MIB * bound for bound in (self.value, self.low, self.high))
        value, low, high = (f"{bound:+.2f}" for bound in bounds)
        return (
            f"{self.part} ({self.group.value}): {value} KiB/{unit} ({low} to {high}), "
            f"{self.growth_mib:+.1f} MiB in all, {self.least:.1f} to {self.most:.1f} MiB"
        )


@dataclass(frozen=True)
class LeakVerdict(Verdict):
    """With the slope of each part, the steepest first."""

    slopes: tuple[Slope, ...] = ()
    not_followed: tuple[str, ...] = ()
    """Parts that were not present after each round."""

    def slope(self, part: str) -> Slope:
        """LabError if the part was not present after each round."""
        for slope in self.slopes:
            if slope.part == part:
                return slope
        raise LabError(f"{part} was not present after each round, so it has no slope")


def judge_leaks(evidence: LeakEvidence, may_leak: Iterable[str] = ()) -> LeakVerdict:
    """Whether no part leaks, except those that may.

    Raises:
        LabError: too few rounds, or no work was done in them.
    """
    allowed = frozenset(may_leak)
    slopes, missing = slopes_of(evidence)
    leaking = [slope for slope in slopes if slope.leaks and slope.part not in allowed]
    judged = len(_judged(evidence))
    lines = [
        f"{judged} of {len(evidence.rounds)} rounds judged, {slopes[0].work:g} {evidence.unit} in "
        f"them; intervals hold for all {len(slopes)} parts together with {CONFIDENCE:.0%}",
        *(slope.told(evidence.unit) for slope in slopes[:12]),
    ]
    if missing:
        lines.append(f"not present after each round: {', '.join(missing)}")
    return LeakVerdict(
        node=evidence.node,
        runtime=evidence.runtime,
        problems=tuple(f"leaks: {slope.told(evidence.unit)}" for slope in leaking),
        measures=tuple(_measures(slopes, evidence)),
        evidence=tuple(lines),
        slopes=slopes,
        not_followed=missing,
    )


def slopes_of(evidence: LeakEvidence) -> tuple[tuple[Slope, ...], tuple[str, ...]]:
    """The slopes of the parts that were present after each judged round, and the other parts."""
    rounds = _judged(evidence)
    if len(rounds) < LEAST_ROUNDS:
        raise LabError(
            f"no evidence: {len(rounds)} rounds after the warm-up, {LEAST_ROUNDS} are needed"
        )
    work = [float(measured.done) for measured in rounds]
    if any(later <= earlier for earlier, later in itertools.pairwise(work)):
        raise LabError("no evidence: a round without work")
    seen = [_parts(measured.seen) for measured in rounds]
    everywhere = set(seen[0]).intersection(*seen[1:])
    if not everywhere:
        raise LabError("no evidence: no part of the memory was seen after each round")
    level = 1 - (1 - CONFIDENCE) / len(everywhere)
    slopes = [_slope(part, work, [parts[part] for parts in seen], level) for part in everywhere]
    missing = {part.name for parts in seen for part in (parts.keys() - everywhere)}
    ordered = sorted(slopes, key=lambda slope: (-slope.growth_mib, slope.part))
    return tuple(ordered), tuple(sorted(missing))


@dataclass(frozen=True)
class _Part:
    group: Group
    name: str


def _judged(evidence: LeakEvidence) -> tuple[LeakRound, ...]:
    return evidence.rounds[math.ceil(len(evidence.rounds) * WARM_UP) :]


def _parts(seen: NodeMemorySeen) -> Mapping[_Part, float]:
    found: dict[_Part, float] = {}
    for part in seen.parts:
        if part.group in FOLLOWED:
            key = _Part(part.group, part.name)
            found[key] = found.get(key, 0.0) + part.mib
    return found


def _slope(part: _Part, work: Sequence[float], mib: Sequence[float], level: float) -> Slope:
    from scipy import stats  # takes a second to import

    fit = stats.linregress(list(work), list(mib))
    half = float(stats.t.ppf((1 + level) / 2, len(work) - 2)) * float(fit.stderr)
    value = float(fit.slope)
    return Slope(
        part=part.name,
        group=part.group,
        value=value,
        low=value - half,
        high=value + half,
        work=work[-1] - work[0],
        least=min(mib),
        most=max(mib),
    )


def _measures(slopes: Sequence[Slope], evidence: LeakEvidence) -> Iterable[Measure]:
    for slope in slopes:
        heading = f"growth per {evidence.unit}"
        yield Measure(
            name=identifier(f"{heading} {slope.part}"),
            value=round(KIB_PER_MIB * slope.value, 3),
            unit="KiB",
            better=Better.LOWER,
            node=evidence.node,
            evidence=f"{slope.told(evidence.unit)}; cgroup v2, /proc/meminfo",
            heading=heading,
            label=slope.part,
        )
