"""Verdicts on image pre-pull jobs; pure functions of evidence."""

from __future__ import annotations

from edge_lab.addons.nodejobs.jobs import ANSWERED, IN_PROGRESS, SUCCESSFUL
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.verdict import Verdict
from suites.nodejobs.evidence import PrePull


def judge_prepull(job: PrePull, node: str) -> Verdict:
    """Whether the job pulled its images on `node`, and says so.

    If another node was silent, its task must have been sent before, and never answered: otherwise
    it held up nobody.
    """
    done = job.first(node, SUCCESSFUL)
    problems = [
        f"no evidence: {image} was on the node before"
        for image in sorted(job.before.get(node, frozenset()) & set(job.images))
    ]
    if not job.images:
        problems.append("no evidence: the job has no image")
    if job.silent:
        sent = job.first(job.silent, IN_PROGRESS)
        if job.silent == node:
            problems.append("no evidence: its link was cut")
        if sent is None or (done is not None and done < sent):
            problems.append(f"no evidence: {job.silent} was not sent its task before")
        if job.first(job.silent, *ANSWERED) is not None:
            problems.append(f"no evidence: {job.silent} has answered")
    phase = job.last(node)
    if phase != SUCCESSFUL:
        problems.append(f"its task is {phase or 'not listed'}, not {SUCCESSFUL}")
    missing = sorted(set(job.images) - job.after.get(node, frozenset()))
    problems += [f"{image} is not on the node" for image in missing]
    took = Measure.of(
        "images pulled",
        done,
        "s",
        node,
        label=job.label,
        evidence="phases of the job's tasks",
        reason="they were not pulled",
    )
    return Verdict(node, job.runtime, tuple(problems), (took,), _told(job))


def _told(job: PrePull) -> tuple[str, ...]:
    """A line for each change."""
    lines: list[str] = []
    before = ""
    for seen in job.sightings:
        tasks = ", ".join(f"{node} {seen.tasks.get(node, '-')}" for node in job.nodes)
        state = f"job {seen.job or '-'}; {tasks}"
        if state != before:
            lines.append(f"{seen.after:.1f} s: {state}")
        before = state
    return tuple(lines)
