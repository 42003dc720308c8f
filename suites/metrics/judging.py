"""Verdicts on metrics; pure functions of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_lab.addons.metrics.counting import TOLERANCE_SECONDS, Count, compare
from edge_lab.addons.metrics.records import NANOSECONDS, Origin, Served
from edge_lab.measuring.measures import Better, Measure, identifier
from edge_lab.oracles.verdict import Verdict
from suites.metrics.evidence import BEFORE, HEAL, RESET, Evidence, Line

LEAST_SERVED = 10
"""Minimum scrapes between the first mark and the heal for a run to be evidence."""
MOST_FAILED = 0.1
"""Share of the served scrapes that a sender may report as failed."""
LEAST_BEFORE = 3
"""Minimum samples from before the fault: otherwise the path was broken all along."""
SHOWN = 8
"""Numbers of a kind that a problem lists."""


@dataclass(frozen=True)
class Allowance:
    """Samples that may be missing, with the reason."""

    seconds_before_reset: float = 0.0
    """Taken within so many seconds before the node lost its power, or the sender was killed."""
    in_flight: int = 0
    """Number of samples in transit when the fault began."""
    why: str = ""


NOTHING = Allowance()
AFTER_KILL = Allowance(
    seconds_before_reset=4.0,
    in_flight=8,
    why="data that a program has not written yet, or is sending, is only in its memory",
)
AFTER_RESET = Allowance(
    seconds_before_reset=40.0,
    in_flight=8,
    why="what a program has written is on the disk after up to 35 s (dirty_expire_centisecs and "
    "the flusher's period) unless it asks for it, and what it is sending may be in its memory",
)


def judge_samples(
    evidence: Evidence,
    allowance: Allowance = NOTHING,
    *,
    tolerance_s: float = TOLERANCE_SECONDS,
) -> Verdict:
    """Whether the view has all served samples, once, unaltered, and with the right time, within
    `tolerance_s`."""
    numbers = [scrape.number for scrape in evidence.served] or [0]
    count = compare(
        evidence.served,
        evidence.stored,
        after=min(numbers) - 1,
        until=max(numbers),
        tolerance=tolerance_s,
        failed=evidence.failed,
    )
    allowed = _allowed(evidence, count, allowance)
    lost = [scrape for scrape in count.missing if scrape.number not in allowed]
    problems = [
        *_no_evidence(evidence, count),
        *_lost(lost),
        *_failed(count),
        *_listed("has twice, with two timestamps", count.repeated),
        *_listed("has with other values", count.wrong),
        *_listed("has, although they were never served", count.unknown),
        *_listed("has with a wrong timestamp", count.misdated),
        *_listed("has samples with steps that no device has made", evidence.untrue),
    ]
    gaps = [f"gap: {gap}" for gap in count.gaps]
    if allowed and count.gaps:
        gaps.append(f"{len(count.missing) - len(lost)} of them are allowed: {allowance.why}")
    head = (
        f"{evidence.sender}: {count.served} served, {count.stored} in the view, "
        f"{count.doubtful} doubtful, {len(count.unscraped)} reported as failed; "
        f"marks {dict(evidence.marks)}"
    )
    return Verdict(
        node=evidence.node,
        runtime=evidence.runtime,
        problems=tuple(problems),
        measures=tuple(_measures(evidence, count)),
        evidence=(head, *gaps),
    )


def judge_sender(
    evidence: Mapping[Origin, Evidence], sender: str, allowance: Allowance = NOTHING
) -> tuple[Verdict, ...]:
    """The verdicts on a sender's samples, on each node that has it."""
    return tuple(
        judge_samples(found, allowance) for key, found in evidence.items() if key.sender == sender
    )


def _no_evidence(evidence: Evidence, count: Count) -> Sequence[str]:
    found = []
    before, heal = evidence.marks.get(BEFORE, 0), evidence.marks.get(HEAL, 0)
    numbers = {scrape.number for scrape in evidence.served} - set(count.unscraped)
    during = sum(before < number <= heal for number in numbers)
    if during < LEAST_SERVED:
        found.append(f"no evidence: only {during} scrapes during the fault")
    stored = {sample.number for sample in evidence.stored}
    ahead = [
        scrape for scrape in evidence.served if scrape.number <= before and scrape.number in stored
    ]
    if len(ahead) < LEAST_BEFORE:
        found.append(
            f"no evidence: only {len(ahead)} samples from before the fault are in the view"
        )
    return found


def _allowed(evidence: Evidence, count: Count, allowance: Allowance) -> frozenset[int]:
    allowed: set[int] = set()
    reset = next(
        (scrape for scrape in evidence.served if scrape.number == evidence.marks.get(RESET)), None
    )
    if reset is not None:
        since = reset.time - allowance.seconds_before_reset * NANOSECONDS
        allowed |= {
            scrape.number
            for scrape in evidence.served
            if since < scrape.time and scrape.number <= reset.number
        }
    before = evidence.marks.get(BEFORE, 0)
    sending = [
        scrape.number
        for scrape in count.missing
        if abs(scrape.number - before) <= allowance.in_flight and scrape.number not in allowed
    ]
    return frozenset(allowed).union(sending[: allowance.in_flight])


def _lost(lost: Sequence[Served]) -> Sequence[str]:
    if not lost:
        return ()
    numbers = [scrape.number for scrape in lost]
    return (f"the view has lost {len(lost)} samples: {_short(numbers)}",)


def _failed(count: Count) -> Sequence[str]:
    if len(count.unscraped) <= MOST_FAILED * count.served:
        return ()
    return (f"the sender reports {len(count.unscraped)} of {count.served} scrapes as failed",)


def _listed(what: str, numbers: Sequence[int]) -> Sequence[str]:
    return (f"the view {what}: {_short(numbers)}",) if numbers else ()


def _short(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN]))
    return f"{shown} …" if len(numbers) > SHOWN else shown


def _measures(evidence: Evidence, count: Count) -> Sequence[Measure]:
    def measure(
        heading: str,
        value: float | None,
        unit: str,
        *,
        reason: str = "",
        minor: bool = False,
        better: Better = Better.LOWER,
    ) -> Measure:
        return Measure(
            name=identifier(f"{heading} {evidence.sender}"),
            value=value,
            reason=reason,
            unit=unit,
            better=better,
            node=evidence.node,
            heading=heading,
            label=evidence.sender,
            minor=minor,
            evidence=f"{count.served} served by the exporter's log",
        )

    longest = max((gap.seconds for gap in count.gaps), default=0.0)
    found = [
        measure("metric samples lost", len(count.missing), "count"),
        measure("longest gap in metrics", longest, "s"),
        measure("scrapes reported as failed", len(count.unscraped), "count", minor=True),
        measure("metric samples repeated", len(count.repeated), "count", minor=True),
        measure(
            "metric samples wrong", len(count.wrong) + len(count.misdated), "count", minor=True
        ),
        measure(
            "metrics complete after the heal",
            evidence.drained_s,
            "s",
            reason="" if evidence.drained_s is not None else "they were not",
        ),
    ]
    first = evidence.marks.get(BEFORE, 0)
    scrapes = sum(scrape.number > first for scrape in evidence.served)
    if evidence.bytes_sent is not None and scrapes and evidence.series:
        per_sample = evidence.bytes_sent / scrapes / evidence.series
        found.append(measure("uplink bytes per sample", per_sample, "B"))
    return found


def judge_line(line: Line, *, lookback: float, step: float) -> Verdict:
    """Whether a query shows that a node is missing, instead of repeating its last value."""
    problems = []
    away = line.asked - line.newest
    drawn = max((point for point in line.points), default=line.newest)
    straight = max(drawn - line.newest, 0.0)
    if away <= lookback + step:
        problems.append(f"no evidence: the newest sample is {away:.0f} s old")
    if line.points_before < LEAST_BEFORE:
        problems.append(f"no evidence: {line.points_before} points from before the fault")
    if straight > lookback + step:
        problems.append(
            f"a straight line of {straight:.0f} s is drawn; {lookback:g} s may be drawn"
        )
    if line.instant:
        problems.append(f"an instant query still gives {line.instant} series")
    if not line.absent:
        problems.append("absent() does not say that the series is missing")
    measures = tuple(
        Measure(
            name=identifier(f"{heading} {line.sender}"),
            value=value,
            unit="s",
            better=Better.LOWER,
            node=line.node,
            heading=heading,
            label=line.sender,
            minor=minor,
            evidence=f"{len(line.points)} points; the newest sample was {away:.0f} s old",
        )
        for heading, value, minor in (
            ("straight line while offline", straight, False),
            ("query while offline", line.took, True),
        )
    )
    said = f"warnings: {', '.join(line.warnings) or 'none'}"
    return Verdict(line.node, line.runtime, tuple(problems), measures, (said,))
