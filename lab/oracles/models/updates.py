"""Updates that are interrupted, refused, or undone on the node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from edge_lab.addons.models.records import Act
from edge_lab.addons.models.versions import TARGET
from edge_lab.oracles.models.evidence import CutUpdate, Refusal, Rollback
from edge_lab.oracles.models.requests import counts_by_tag, measure, requests_found
from edge_lab.oracles.verdict import Verdict

LEAST_AWAY_SECONDS = 20.0
ROLLBACK_SECONDS = 60.0
"""From the wish to the first answer of the version before, on an emulated node; fleets ask for five
minutes."""
CLOCK_SECONDS = 1.0
"""By how much a node's clock may be wrong against the host's."""


def first(acts: Iterable[Act], what: str, tag: str) -> Act | None:
    return next((act for act in acts if act.what == what and act.tag == tag), None)


def judge_cut_update(update: CutUpdate) -> Verdict:
    """The old version serves until the new one is complete; no request is lost."""
    evidence, (cut, healed) = update.evidence, update.cut
    found, measures = requests_found(evidence, {update.old, update.new}, "in an update")
    problems = list(found)
    if not 0 < update.at_cut < update.size:
        problems.append(
            f"no evidence: {update.at_cut} of {update.size} bytes were there at the cut"
        )
    if healed - cut < LEAST_AWAY_SECONDS:
        problems.append(f"no evidence: the cut lasted {healed - cut:.0f} s")
    answered = [request for request in evidence.requests.sent if request.ok]
    if not any(request.tag == update.old and cut < request.time < healed for request in answered):
        problems.append(f"no evidence: {update.old} was not asked during the cut")
    early = [
        request
        for request in answered
        if request.tag == update.new and request.time < healed - CLOCK_SECONDS
    ]
    if early:
        problems.append(f"{update.new} answered {len(early)} requests before it can be complete")
    promoted = first(evidence.acts, "promoted", update.new)
    new = [request.time for request in answered if request.tag == update.new]
    late = [
        request
        for request in answered
        if new and request.tag == update.old and request.time > min(new)
    ]
    if late:
        problems.append(f"{update.old} answered {len(late)} requests after {update.new} had begun")
    if update.serving != update.new or not new:
        problems.append(f"{update.serving or 'nothing'} serves in the end, not {update.new}")
    downtime = None
    if new and promoted is not None:
        before = [request.time for request in answered if request.time < min(new)]
        downtime = min(new) - max(before) if before else None
    node = evidence.node
    more = (
        measure(
            "new version serves",
            min(new) - healed if new else None,
            "s",
            node,
            label="after the heal",
        ),
        measure("between the last old and the first new answer", downtime, "s", node),
        measure("kept of an interrupted fetch", _percent(update.at_heal, update.size), "%", node),
    )
    head = (
        f"{update.at_cut} of {update.size} bytes at the cut, {update.at_heal} at the heal "
        f"{healed - cut:.0f} s later"
    )
    lines = (head, *counts_by_tag(evidence))
    return Verdict(node, evidence.runtime, tuple(problems), (*measures, *more), lines)


def judge_rollback(rollback: Rollback) -> Verdict:
    """The version before serves soon, without the cloud, and stays."""
    evidence, (cut, healed) = rollback.evidence, rollback.offline
    found, measures = requests_found(evidence, {rollback.old, rollback.new}, "in a rollback")
    problems = list(found)
    node, answered = evidence.node, [request for request in evidence.requests.sent if request.ok]
    if not any(
        request.tag == rollback.new and request.time < rollback.triggered_at for request in answered
    ):
        problems.append(f"no evidence: {rollback.new} did not serve before")
    act = first(evidence.acts, "rolled-back", rollback.new)
    if act is None:
        problems.append(f"{rollback.new} was not rolled back")
    else:
        if act.reason != rollback.reason:
            problems.append(f"the reason is {act.reason!r}, not {rollback.reason!r}")
        if not cut < act.time < healed:
            problems.append("no evidence: the node was not offline when it was rolled back")
    fetched = [
        fetch
        for fetch in evidence.acts
        if fetch.what == "fetched" and act and fetch.time >= act.time
    ]
    if fetched:
        problems.append(f"{fetched[0].tag} was fetched after the rollback, not kept")
    back = [
        request.time
        for request in answered
        if act and request.tag == rollback.old and request.time >= act.time
    ]
    took = min(back) - rollback.triggered_at if back else None
    if took is None:
        problems.append(f"{rollback.old} has not answered after the rollback")
    elif took > ROLLBACK_SECONDS:
        problems.append(f"the rollback took {took:.0f} s; {ROLLBACK_SECONDS:g} s are allowed")
    again = [
        request
        for request in answered
        if back and request.tag == rollback.new and request.time > min(back)
    ]
    if again:
        problems.append(f"{rollback.new} answered {len(again)} requests after the rollback")
    for when, serving in (
        ("before the heal", rollback.serving),
        ("after a boot", rollback.after_boot),
    ):
        if serving is not None and serving != rollback.old:
            problems.append(f"{serving or 'nothing'} serves {when}, not {rollback.old}")
    label = "asked for" if rollback.reason == "Asked" else "by the node itself"
    more = (measure("rolled back while offline", took, "s", node, label=label),)
    lines = counts_by_tag(evidence)
    return Verdict(node, evidence.runtime, tuple(problems), (*measures, *more), lines)


def judge_refusal(refusal: Refusal) -> Verdict:
    """The version never serves, the one before goes on, and the cloud knows why."""
    evidence = refusal.evidence
    found, measures = requests_found(
        evidence, {refusal.expected}, f"while {refusal.tag} is refused"
    )
    problems = list(found)
    act = first(evidence.acts, "refused", refusal.tag)
    if act is None:
        problems.append(f"{refusal.tag} was not refused")
    elif act.reason != refusal.reason:
        problems.append(f"the reason is {act.reason!r}, not {refusal.reason!r}: {act.message}")
    if first(evidence.acts, "promoted", refusal.tag):
        problems.append(f"{refusal.tag} was promoted")
    if refusal.serving != refusal.expected:
        problems.append(f"{refusal.serving or 'nothing'} serves, not {refusal.expected}")
    if refusal.phase != "Halted":
        problems.append(f"the cloud says {refusal.phase!r}, not 'Halted'")
    if refusal.told:
        problems.append(f"{', '.join(refusal.told)} were told to serve it, too")
    node, more = evidence.node, []
    if refusal.compared:
        problems += _compared(refusal)
    told = first(evidence.acts, "told", refusal.tag)
    took = act.time - told.time if act and told else None
    more.append(measure("refused", took, "s", node, label=refusal.reason))
    lines = counts_by_tag(evidence)
    return Verdict(node, evidence.runtime, tuple(problems), (*measures, *more), lines)


def _compared(refusal: Refusal) -> list[str]:
    """Whether the device's ground truth says the same as the node's comparison."""
    evidence = refusal.evidence
    act = first(evidence.acts, "compared", refusal.tag)
    if act is None or act.errors is None:
        return [f"no evidence: {refusal.tag} was not compared on the node"]
    by_tag = {version.tag: version for version in evidence.known.by_digest.values()}
    staged = first(evidence.acts, "staged", refusal.tag)
    since = staged.time if staged else evidence.began
    steps = [step for step in evidence.steps if since - 2 <= step.time <= act.time + 2]
    errors = [
        mean_error([step.inputs for step in steps], by_tag[tag].output)
        for tag in (refusal.tag, refusal.expected)
    ]
    if None in errors:
        return ["no evidence: too few steps of the device during the comparison"]
    wrong = [
        f"the node has measured a mean error of {said:.2f} of {tag}; by the device's ground truth "
        f"it is {true:.2f}"
        for tag, said, true in zip((refusal.tag, refusal.expected), act.errors, errors, strict=True)
        if true is not None and abs(said - true) > 0.5 * max(1.0, true)
    ]
    refused, expected = errors
    if refused is not None and expected is not None and refused <= expected:
        wrong.append(f"by the device's ground truth {refusal.tag} is not worse")
    return wrong


def mean_error(
    rows: Sequence[tuple[float, ...]], output: Callable[[Sequence[float]], float]
) -> float | None:
    """Of predictions of each next step; None for fewer than two steps."""
    if len(rows) < 2:
        return None
    found = [abs(output(row) - later[TARGET]) for row, later in pairwise(rows)]
    return sum(found) / len(found)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
