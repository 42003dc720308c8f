"""Parts of the verdicts on functions."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.oracles.verdict import Verdict
from suites.functions.evidence import Evidence

SHOWN = 4
"""Maximum number of ids that a problem lists."""


def short(ids: Sequence[object]) -> str:
    shown = ", ".join(map(str, ids[:SHOWN]))
    return f"{shown} …" if len(ids) > SHOWN else shown


def listed(what: str, ids: Sequence[object]) -> Sequence[str]:
    return (f"{len(ids)} {what}: {short(ids)}",) if ids else ()


def measure_on(
    evidence: Evidence,
    heading: str,
    label: str,
    value: float | None,
    unit: str = COUNT,
    *,
    reason: str = "",
    why: str = "",
    minor: bool = False,
    better: Better = Better.LOWER,
) -> Measure:
    return Measure.of(
        heading,
        value,
        unit,
        evidence.node,
        label=label,
        reason=reason,
        better=better,
        minor=minor,
        evidence=why,
    )


def too_few(found: int, least: int, what: str) -> Sequence[str]:
    return (f"no evidence: {found} of {what}, {least} wanted",) if found < least else ()


def verdict_on(
    evidence: Evidence,
    problems: Sequence[str],
    measures: Sequence[Measure],
    lines: Sequence[str],
) -> Verdict:
    return Verdict(
        node=evidence.node,
        runtime=evidence.runtime,
        problems=tuple(problems),
        measures=tuple(measures),
        evidence=tuple(lines),
    )
