"""A day as a story: evidence and verdicts as rows on one time axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from edge_lab.evidence.recording import WaitingSeen
from edge_lab.measuring.spread import spread
from edge_lab.oracles.spans import NANOSECONDS, Span
from edge_lab.oracles.verdict import Verdict
from edge_lab.report.story import Action, Row, Story, Stretch
from edge_lab.report.story import Part as PartStory
from edge_lab.report.storypage import story_html
from suites.functions.evidence import Evidence as FunctionEvidence
from suites.metrics.evidence import Evidence as MetricEvidence
from suites.plantday import judging
from suites.plantday.day import BAD_ACTIONS
from suites.plantday.evidence import DayEvidence, FleetEvidence, RestartEvidence, ServedEvidence
from suites.plantday.judging import Part

if TYPE_CHECKING:
    from edge_lab.evidence.recording import Recording

EXCUSED = " are allowed: "
"""In the evidence of a verdict: what was lost, and why that is no problem."""
PAUSE_SECONDS = 10.0
"""Samples further apart are separate stretches."""


def page_of(
    day: DayEvidence, parts: Sequence[Part], whole: Verdict, recording: Recording | None = None
) -> str:
    return story_html(story_of(day, parts, whole, recording))


def story_of(
    day: DayEvidence, parts: Sequence[Part], whole: Verdict, recording: Recording | None = None
) -> Story:
    """`recording` adds how many samples waited on each node."""
    rows = {
        judging.FLEET: [_fleet(node) for node in day.fleet],
        judging.MODELS: [row for node in day.models for row in _served(node, day)],
        judging.FUNCTIONS: [_functions(node) for node in day.functions],
        judging.METRICS: [_metrics(node) for node in day.metrics],
        judging.SAMPLES: list(_waiting(recording.waiting_seen)) if recording else [],
        judging.MEMORY: [row for node in day.memory for row in _memory(node)],
    }
    about = (
        f"{day.minutes:g} minutes on {day.stack}, {len(day.faults)} faults, "
        f"{len(day.done)} pushes and updates"
    )
    end = max([day.ended, *(node.ended for node in day.memory)])
    return Story(
        title="A day of operation",
        about=about,
        span=Span(_ns(day.began), _ns(end)),
        actions=tuple(
            Action(
                _ns(done.time),
                f"{done.action} {done.what}",
                done.action in BAD_ACTIONS,
                f"tried {done.tries} times" if done.tries > 1 else "",
            )
            for done in day.done
        ),
        faults=day.faults,
        parts=tuple(
            PartStory(part.name, part.passed, _said(part), tuple(rows.get(part.name, ())))
            for part in parts
        ),
        problems=whole.problems,
        left_out=day.left_out,
    )


def _ns(seconds: float) -> int:
    return round(seconds * NANOSECONDS)


def _said(part: Part) -> str:
    if part.problems:
        more = f", and {len(part.problems) - 1} more" if len(part.problems) > 1 else ""
        return part.problems[0] + more
    measures = [
        measure
        for verdict in part.verdicts
        for measure in verdict.measures
        if not measure.minor and measure.value is not None
    ]
    lines = [f"{line.heading} {line.text}" for line in spread(measures)[:4]]
    lines += [
        # Why they are allowed is in the verdict.
        f"{verdict.node}: {line.partition(':')[0]}"
        for verdict in part.verdicts
        for line in verdict.evidence
        if EXCUSED in line
    ]
    return "; ".join(lines)


# -- rows of the parts -----------------------------------------------------------------------------


def _fleet(fleet: FleetEvidence) -> Row:
    """The revisions of the first part; all parts change together."""
    bad = {made.name for made in fleet.made if made.bad}
    stretches = tuple(
        Stretch(
            Span(_ns(run.began), _ns(fleet.observed_at if run.ended is None else run.ended)),
            run.revision.rpartition("-")[2] or run.revision,
            run.revision in bad,
            run.revision,
        )
        for run in fleet.runs
        if run.part == fleet.parts[0] and (run.ended is None or run.ended >= fleet.began)
    )
    return Row(f"{fleet.node} runs", stretches)


def _served(served: ServedEvidence, day: DayEvidence) -> Iterable[Row]:
    """Which version served when: by promotions and rollbacks in the agent's journal."""
    kinds = ("promoted", "rolled-back")
    changes = [
        (act.time, act.tag if act.what == "promoted" else act.serving)
        for act in served.day.acts
        if act.what in kinds
    ]
    first = served.wishes[0].tag if served.wishes else ""
    bad = {wish.tag for wish in served.wishes if wish.bad}
    moments = [(day.began, first), *changes, (served.day.ended, "")]
    yield Row(
        f"{served.node} serves",
        tuple(
            Stretch(Span(_ns(start), _ns(end)), tag, tag in bad)
            for (start, tag), (end, _) in pairwise(moments)
            if end > start
        ),
    )
    lost = [request.time for request in served.day.requests.sent if not request.ok]
    times = [request.time for request in served.day.requests.sent if request.ok]
    if times:
        yield Row(f"{served.node} answers", (*_united(times, ""), *_moments(lost)))


def _functions(evidence: FunctionEvidence) -> Row:
    known = {event.id: event for event in evidence.events}
    return Row(
        f"{evidence.node} events",
        beats=tuple(known[handled.id].read for handled in evidence.handled if handled.id in known),
    )


def _metrics(evidence: MetricEvidence) -> Row:
    there = {sample.number for sample in evidence.stored}
    arrived = [sample.time / NANOSECONDS for sample in evidence.served if sample.number in there]
    lost = [sample.time / NANOSECONDS for sample in evidence.served if sample.number not in there]
    return Row(f"{evidence.node} {evidence.sender}", (*_united(arrived, ""), *_moments(lost)))


def _waiting(seen: Iterable[WaitingSeen]) -> Iterable[Row]:
    by_node: dict[str, list[tuple[int, float]]] = {}
    for look in seen:
        by_node.setdefault(look.node, []).append((look.time, float(look.waiting)))
    for node, points in sorted(by_node.items()):
        most = max(value for _, value in points)
        yield Row(f"{node} waiting", curve=tuple(points), said=f"at most {most:.0f} samples")


def _memory(node: RestartEvidence) -> Iterable[Row]:
    points = [(seen.time, seen.total_mib - seen.available_mib) for seen in node.readings]
    if points:
        sizes = [value for _, value in points]
        yield Row(
            f"{node.node} in use",
            curve=tuple(points),
            said=f"{min(sizes):.0f} to {max(sizes):.0f} MiB",
        )


def _united(times: Sequence[float], label: str) -> Iterable[Stretch]:
    """Stretches without a longer pause; all in one colour."""
    begun: float | None = None
    last = 0.0
    for time in [*sorted(times), float("inf")]:
        if begun is not None and time - last > PAUSE_SECONDS:
            span = Span(_ns(begun), _ns(last))
            yield Stretch(span, label, hint=f"{span.seconds:.0f} s without a pause")
            begun = None
        begun = time if begun is None else begun
        last = time


def _moments(times: Iterable[float]) -> Iterable[Stretch]:
    for time in times:
        yield Stretch(Span(_ns(time), _ns(time) + NANOSECONDS), "", True, "lost")
