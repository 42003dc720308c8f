"""Verdicts on image pre-pull jobs; pure functions of evidence."""

from __future__ import annotations

from edge_lab.addons.nodejobs.jobs import IN_PROGRESS, SUCCESSFUL
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.verdict import Verdict
from suites.nodejobs.evidence import PrePull


def judge_prepull(job: PrePull, node: str) -> Verdict:
    """Whether the job pulled its images on `node`, and says so.

    If another node was silent, the job must have sent it its part before: else it was not held up.
    """
    problems = [
        f"no evidence: {image} was on the node before"
        for image in sorted(job.before.get(node, frozenset()) & set(job.images))
    ]
    if not job.images:
        problems.append("no evidence: the job has no image")
    if job.silent:
        if job.silent == node:
            problems.append("no evidence: its link was cut")
        if job.first(job.silent, IN_PROGRESS) is None:
            problems.append(f"no evidence: nothing was sent to {job.silent}")
    phase = job.last(node)
    if phase != SUCCESSFUL:
        problems.append(f"its phase is {phase or 'not set'}, not {SUCCESSFUL}")
    missing = sorted(set(job.images) - job.after.get(node, frozenset()))
    problems += [f"{image} is not on the node" for image in missing]
    label = f"while {job.silent} was away" if job.silent else "all nodes online"
    took = Measure.of(
        "images pulled",
        job.first(node, SUCCESSFUL),
        "s",
        node,
        label=label,
        evidence="phases of the job",
        reason="they were not pulled",
    )
    return Verdict(node, job.runtime, tuple(problems), (took,), _told(job))


def _told(job: PrePull) -> tuple[str, ...]:
    """A line for each change."""
    lines: list[str] = []
    before = ""
    for seen in job.sightings:
        nodes = ", ".join(f"{node} {seen.nodes.get(node, '-')}" for node in job.nodes)
        state = f"job {seen.job or '-'}; {nodes}"
        if state != before:
            lines.append(f"{seen.after:.1f} s: {state}")
        before = state
    return tuple(lines)
