"""Each request is answered, by one whole version."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from functools import partial
from itertools import pairwise

from edge_lab.addons.models.records import FeedRequest
from edge_lab.addons.models.versions import AGREES
from edge_lab.measuring.measures import COUNT, Measure
from edge_lab.measuring.percentile import percentile
from edge_lab.oracles.models.evidence import Evidence
from edge_lab.oracles.spans import NANOSECONDS, Span, united
from edge_lab.oracles.verdict import Verdict

LEAST_REQUESTS = 10
GAP_SECONDS = 10.0
"""Time without an answer that is allowed: of an emulated node on a busy host."""
LEAST_KNOWN = 0.9
"""Part of the requests whose step must be in the device's ground truth: the first step may have
been shown long before."""
_MOST_SHOWN = 3

measure = partial(
    Measure.of, reason="it was not seen", evidence="journals of the node's agent and feed"
)


def judge_requests(evidence: Evidence, allowed: Collection[str], *, label: str = "") -> Verdict:
    """Whether each step that was read got an answer, which is that of one of the versions that were
    allowed to serve; `allowed` are their tags."""
    problems, measures = requests_found(evidence, allowed, label)
    return Verdict(evidence.node, evidence.runtime, problems, measures, counts_by_tag(evidence))


def requests_found(
    evidence: Evidence,
    allowed: Collection[str],
    label: str = "",
    *,
    gap_s: float = GAP_SECONDS,
) -> tuple[tuple[str, ...], tuple[Measure, ...]]:
    """Problems and measures of the requests of an interval; `gap_s` is the time without an answer
    that is allowed."""
    sent = evidence.requests.sent
    problems: list[str] = []
    if len(sent) < LEAST_REQUESTS:
        problems.append(f"no evidence: {len(sent)} requests")
    lost = [request for request in sent if not request.ok and not _was_off(evidence, request.time)]
    if lost:
        problems.append(
            f"{len(lost)} of {len(sent)} requests got no answer: "
            + _some(f"step {request.seq}: {request.message[:80]}" for request in lost)
        )
    torn = [request for request in sent if request.ok and not is_whole(evidence, request)]
    if torn:
        problems.append(
            f"{len(torn)} answers are not those of the version that they name: "
            + _some(f"step {request.seq}: {request.output} by {request.tag}" for request in torn)
        )
    others = [request for request in sent if request.ok and request.tag not in allowed]
    if others:
        problems.append(
            f"{len(others)} answers of versions that must not serve: "
            + _some(f"step {request.seq}: {request.tag}" for request in others)
        )
    altered = _altered(evidence)
    if altered:
        problems.append(f"{len(altered)} requests have other inputs than the device: {altered[0]}")
    known = _known(evidence)
    if known < LEAST_KNOWN * len(sent):
        problems.append(
            f"no evidence: of {len(sent)} requests, the steps of {known} are in the device's "
            "ground truth"
        )
    gap = longest_gap(evidence)
    if gap > gap_s:
        problems.append(f"no answer for {gap:.1f} s; {gap_s:g} s are allowed")
    node = evidence.node
    times = sorted(request.ms for request in sent if request.ms is not None)
    return tuple(problems), (
        measure("requests lost", len(lost), COUNT, node, label=label),
        measure("answers of no version", len(torn), COUNT, node, label=label),
        measure("longest time without an answer", gap, "s", node, label=label),
        measure(
            "inference on the node",
            percentile(times, 50) if times else None,
            "ms",
            node,
            label=f"p50 {label}".strip(),
        ),
    )


def is_whole(evidence: Evidence, request: FeedRequest) -> bool:
    """Whether the answer is what the version that it names computes from these inputs."""
    version = evidence.known.by_digest.get(request.digest)
    if version is None or version.tag != request.tag or request.output is None:
        return False
    return (
        math.isfinite(request.output)
        and abs(version.output(request.inputs) - request.output) <= AGREES
    )


def longest_gap(evidence: Evidence) -> float:
    """From the beginning of the interval over all answers to its end, without times in which the
    node was off, or could not read its device."""
    answers = [request.time for request in evidence.requests.sent if request.ok]
    times = sorted((evidence.began, *answers, evidence.ended))
    return max(
        later - earlier - _off(evidence, earlier, later) for earlier, later in pairwise(times)
    )


def counts_by_tag(evidence: Evidence) -> tuple[str, ...]:
    """Evidence lines: which version has answered when."""
    lines: list[str] = []
    run: list[FeedRequest] = []
    for request in [*(request for request in evidence.requests.sent if request.ok), None]:
        if run and (request is None or request.tag != run[0].tag):
            start, end = (served.time - evidence.began for served in (run[0], run[-1]))
            lines.append(f"{run[0].tag}: {len(run)} answers, {start:.1f} s to {end:.1f} s")
            run = []
        if request is not None:
            run.append(request)
    for act in evidence.acts:
        told = f"{act.what} {act.tag} {act.reason} {act.message}".strip()
        lines.append(f"{act.time - evidence.began:.1f} s: {told}"[:160])
    return tuple(lines)


def _altered(evidence: Evidence) -> list[str]:
    truth = {step.seq: step.inputs for step in evidence.steps}
    return [
        f"step {request.seq}: {request.inputs} instead of {truth[request.seq]}"
        for request in evidence.requests.sent
        if request.seq in truth and truth[request.seq] != request.inputs
    ]


def _known(evidence: Evidence) -> int:
    """Number of requests whose step is in the ground truth."""
    truth = {step.seq for step in evidence.steps}
    return sum(request.seq in truth for request in evidence.requests.sent)


def _was_off(evidence: Evidence, time: float) -> bool:
    return any(start <= time <= end for start, end in evidence.reboots)


def _off(evidence: Evidence, earlier: float, later: float) -> float:
    """Seconds in between in which there could be no request."""
    without = united(
        Span(round(start * NANOSECONDS), round(end * NANOSECONDS))
        for start, end in (*evidence.reboots, *evidence.blind)
    )
    here = Span(round(earlier * NANOSECONDS), round(later * NANOSECONDS))
    return sum(part.seconds for span in without if (part := span.within(here)))


def _some(texts: Iterable[str]) -> str:
    found = list(texts)
    more = f", and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    return "; ".join(found[:_MOST_SHOWN]) + more
