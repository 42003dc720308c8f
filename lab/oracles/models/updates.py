"""Updates that are interrupted, refused, or undone on the node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from edge_lab.addons.models.records import Act
from edge_lab.addons.models.versions import TARGET
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.models.evidence import (
    CutUpdate,
    Evidence,
    FullDisk,
    KilledAgent,
    MissedUpdate,
    Refusal,
    Rollback,
    StagedReset,
)
from edge_lab.oracles.models.requests import counts_by_tag, measure, requests_found
from edge_lab.oracles.verdict import Verdict

LEAST_AWAY_SECONDS = 20.0
ROLLBACK_SECONDS = 60.0
"""From the wish to the first answer of the version before, on an emulated node; fleets ask for five
minutes."""
NO_SPACE = "NoSpace"
SERVED_SECONDS = 30.0
"""From a promotion until the node's server has loaded the version, on an emulated CPU."""
CLOCK_SECONDS = 1.0
"""By how much a node's clock may be wrong against the host's."""


def first(acts: Iterable[Act], what: str, tag: str) -> Act | None:
    return next((act for act in acts if act.what == what and act.tag == tag), None)


def judge_cut_update(update: CutUpdate) -> Verdict:
    """The old version serves until the new one is complete; no request is lost."""
    evidence, (cut, healed) = update.evidence, update.cut
    problems, measures = _through(
        evidence, (update.old, update.new), update.cut, update.serving, "cut", "heal"
    )
    if not 0 < update.at_cut < update.size:
        problems.append(
            f"no evidence: {update.at_cut} of {update.size} bytes were there at the cut"
        )
    if any(not cut < off < up < healed for off, up in evidence.reboots):
        problems.append("no evidence: the node was not offline when it lost its power")
    kept = _percent(update.at_heal, update.size)
    measures.append(measure("kept of an interrupted fetch", kept, "%", evidence.node))
    head = (
        f"{update.at_cut} of {update.size} bytes at the cut, {update.at_heal} at the heal "
        f"{healed - cut:.0f} s later"
    )
    lines = (head, *counts_by_tag(evidence))
    return Verdict(evidence.node, evidence.runtime, tuple(problems), tuple(measures), lines)


def judge_full_disk(found: FullDisk) -> Verdict:
    """The old version serves while the disk is full, and the node says why; what it has fetched
    takes no space. It goes on by itself when there is space again."""
    evidence, (full, space) = found.evidence, found.full
    problems, measures = _through(
        evidence, (found.old, found.new), found.full, found.serving, "full disk", "end"
    )
    if not 0 < found.at_full < found.size:
        problems.append(
            f"no evidence: {found.at_full} of {found.size} bytes were there when the disk was full"
        )
    told = [act for act in evidence.acts if act.what == "interrupted" and act.reason == NO_SPACE]
    if not any(full - CLOCK_SECONDS < act.time < space for act in told):
        problems.append("the agent does not say that the disk is full")
    if found.said != NO_SPACE:
        problems.append(f"the reason that the cloud says is {found.said!r}, not {NO_SPACE!r}")
    if found.left:
        problems.append(f"{found.left} bytes of {found.new} were left on the full disk")
    restarts = _restarts(evidence.acts)
    if restarts:
        problems.append(f"the agent was started again {restarts} times")
    head = f"{found.at_full} of {found.size} bytes when the disk was full, later {found.left}"
    lines = (head, *counts_by_tag(evidence))
    return Verdict(evidence.node, evidence.runtime, tuple(problems), tuple(measures), lines)


def judge_missed_update(missed: MissedUpdate) -> Verdict:
    """The old version serves while the node is offline; after the heal the newest does, and what
    was wanted in between never."""
    evidence = missed.evidence
    serving = missed.serving.get(evidence.node, "")
    problems, measures = _through(
        evidence, (missed.old, missed.newest), missed.offline, serving, "cut", "heal"
    )
    if first(evidence.acts, "told", missed.skipped):
        problems.append(f"{missed.skipped} was still asked for, although {missed.newest} is newer")
    for node, tag in missed.serving.items():
        if tag != missed.newest and node != evidence.node:
            problems.append(f"{tag or 'nothing'} serves on {node}, not {missed.newest}")
    if missed.phase != "Complete":
        problems.append(f"the cloud says {missed.phase!r}, not 'Complete'")
    lines = counts_by_tag(evidence)
    return Verdict(evidence.node, evidence.runtime, tuple(problems), tuple(measures), lines)


def judge_staged_reset(staged: StagedReset) -> Verdict:
    """After a loss of power the old version serves, and the new one, which is complete on the
    node, is compared and promoted without another fetch."""
    evidence, node = staged.evidence, staged.evidence.node
    found, measures = requests_found(evidence, {staged.old, staged.new}, "staged")
    problems = list(found)
    act = first(evidence.acts, "staged", staged.new)
    promoted = first(evidence.acts, "promoted", staged.new)
    off = evidence.reboots[0][0] if evidence.reboots else None
    if act is None or off is None or not act.time < off + CLOCK_SECONDS:
        problems.append(f"no evidence: {staged.new} was not compared when the power was lost")
    elif promoted and promoted.time < off:
        problems.append(f"no evidence: {staged.new} was promoted before the power was lost")
    problems += _fetched_again(evidence.acts, act)
    if staged.first != staged.old:
        problems.append(f"{staged.first or 'nothing'} serves after the boot, not {staged.old}")
    if promoted is None or staged.serving != staged.new:
        problems.append(f"{staged.serving or 'nothing'} serves in the end, not {staged.new}")
    up = evidence.reboots[0][1] if evidence.reboots else None
    took = promoted.time - up if promoted and up else None
    more = (measure("promoted after a loss of power", took, "s", node),)
    lines = counts_by_tag(evidence)
    return Verdict(node, evidence.runtime, tuple(problems), (*measures, *more), lines)


def judge_killed_agent(found: KilledAgent) -> Verdict:
    """The old version serves until the new one is promoted, and no request is lost. The agent goes
    on with what is on the node: it keeps a part of a fetch, and compares and promotes a complete
    version without another fetch."""
    evidence, node = found.evidence, found.evidence.node
    (_, resumed), (comparing, _) = found.kills
    requests, measures = requests_found(evidence, {found.old, found.new}, "agent killed")
    problems = list(requests)
    if not 0 < found.at_kill < found.size:
        problems.append(
            f"no evidence: {found.at_kill} of {found.size} bytes were there at the first kill"
        )
    if found.kept < found.at_kill:
        problems.append(f"{found.at_kill - found.kept} bytes of the fetch are gone")
    complete = first(evidence.acts, "staged", found.new)
    if complete is None or not resumed + CLOCK_SECONDS < complete.time < comparing + CLOCK_SECONDS:
        problems.append(f"no evidence: {found.new} was not fetched at the first kill only")
    restarts = _restarts(evidence.acts)
    if restarts > len(found.kills):
        problems.append(f"the agent was started again {restarts} times, not {len(found.kills)}")
    compared = [act.time for act in evidence.acts if (act.what, act.tag) == ("compared", found.new)]
    if not compared or max(compared) < comparing - CLOCK_SECONDS:
        problems.append(f"{found.new} was not compared after the second kill")
    problems += _fetched_again(evidence.acts, complete)
    promoted = first(evidence.acts, "promoted", found.new)
    if promoted is not None and promoted.time < comparing + CLOCK_SECONDS:
        problems.append(f"no evidence: {found.new} was promoted before the second kill")
    for request in evidence.requests.sent:
        if promoted is None or not request.ok:
            continue
        early = request.tag == found.new and request.time < promoted.time - CLOCK_SECONDS
        late = request.tag == found.old and request.time > promoted.time + SERVED_SECONDS
        if early or late:
            when = "before" if early else "long after"
            problems.append(f"{request.tag} answered {when} {found.new} was promoted")
            break
    if promoted is None or found.serving != found.new:
        problems.append(f"{found.serving or 'nothing'} serves in the end, not {found.new}")
    kept = _percent(min(found.kept, found.at_kill), found.at_kill)
    took = promoted.time - comparing if promoted else None
    more = (
        measure("kept of an interrupted fetch", kept, "%", node, label="agent killed"),
        measure("promoted after a kill of the agent", took, "s", node),
    )
    head = f"{found.at_kill} of {found.size} bytes at the first kill, {found.kept} after it"
    lines = (head, *counts_by_tag(evidence))
    return Verdict(node, evidence.runtime, tuple(problems), (*measures, *more), lines)


def _through(
    evidence: Evidence,
    tags: tuple[str, str],
    interval: tuple[float, float],
    serving: str,
    fault: str,
    end: str,
) -> tuple[list[str], list[Measure]]:
    """Whether the old version, the first of the tags, serves alone until a fault is over, and the
    new one from a later moment on; `serving` is the tag that serves at the end."""
    (old, new), (began, over), node = tags, interval, evidence.node
    found, measures = requests_found(evidence, set(tags), "in an update")
    problems = list(found)
    if over - began < LEAST_AWAY_SECONDS:
        problems.append(f"no evidence: the {fault} lasted {over - began:.0f} s")
    answered = [request for request in evidence.requests.sent if request.ok]
    if not any(request.tag == old and began < request.time < over for request in answered):
        problems.append(f"no evidence: {old} was not asked during the {fault}")
    early = [
        request
        for request in answered
        if request.tag == new and request.time < over - CLOCK_SECONDS
    ]
    if early:
        problems.append(f"{new} answered {len(early)} requests before it can be complete")
    promoted = first(evidence.acts, "promoted", new)
    times = [request.time for request in answered if request.tag == new]
    late = [
        request
        for request in answered
        if times and request.tag == old and request.time > min(times)
    ]
    if late:
        problems.append(f"{old} answered {len(late)} requests after {new} had begun")
    if serving != new or not times:
        problems.append(f"{serving or 'nothing'} serves in the end, not {new}")
    downtime = None
    if times and promoted is not None:
        before = [request.time for request in answered if request.time < min(times)]
        downtime = min(times) - max(before) if before else None
    took = min(times) - over if times else None
    return problems, [
        *measures,
        measure("new version serves", took, "s", node, label=f"after the {end}"),
        measure("between the last old and the first new answer", downtime, "s", node),
    ]


def _fetched_again(acts: Iterable[Act], complete: Act | None) -> Iterable[str]:
    """A problem if anything was fetched after `complete`."""
    again = next(
        (
            fetch
            for fetch in acts
            if fetch.what in ("fetching", "fetched") and complete and fetch.time > complete.time
        ),
        None,
    )
    if again:
        yield f"{again.tag} was fetched again after it was complete"


def _restarts(acts: Iterable[Act]) -> int:
    """How often an agent that was online began anew: it notes once more what it was already."""
    found = [act.what for act in acts if act.what in ("online", "offline")]
    return sum(before == after for before, after in pairwise(["online", *found]))


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
