"""Verdicts on updates; pure functions of evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from edge_lab.addons.witness import Run, first_run, running_at
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.verdict import Verdict
from suites.gitops.evidence import BadCommit, Drift, Offline, Pods, Rollout, Texts

LOOK_SECONDS = 3.0
"""Polling interval of a witness on a busy emulated node."""
LEAST_AWAY_SECONDS = 30.0
LEAST_COUNTS = 3

AFTER_HEAL = "after a heal"

_measure = partial(Measure.of, evidence="processes on the node, and what Flux says of its objects")


def of_part(runs: Sequence[Run], part: str) -> list[Run]:
    return [run for run in runs if run.part == part]


def told(runs: Sequence[Run], since: float) -> tuple[str, ...]:
    """Lines of evidence: the runs since a time."""
    return tuple(
        f"{run.part} {run.revision}: from {run.began - since:.1f} s "
        + ("on" if run.ended is None else f"to {run.ended - since:.1f} s")
        for run in runs
        if run.ended is None or run.ended >= since
    )


def judge_rollout(rollout: Rollout, *, limit_s: float) -> Verdict:
    """Whether each part runs the revision after a single start, and the old one has ended."""
    since = rollout.expected or rollout.pushed
    problems: list[str] = []
    started: list[float] = []
    for part in rollout.parts:
        runs = of_part(rollout.runs, part)
        if not any(run.revision == rollout.previous for run in runs):
            problems.append(f"no evidence: {part} never ran {rollout.previous}")
        now = running_at(runs, part, rollout.observed_at)
        if set(now) != {rollout.revision}:
            problems.append(f"{part} runs {', '.join(now) or 'nothing'}, not {rollout.revision}")
        first = first_run(runs, part, rollout.revision)
        if first is not None:
            started.append(first.began)
            count = sum(run.revision == rollout.revision for run in runs)
            if count > 1:
                problems.append(f"{part} was started {count} times")
            if first.began > since + limit_s:
                problems.append(
                    f"{part} started after {first.began - since:.0f} s; {limit_s:g} s are allowed"
                )
        wrong = sorted({run.revision for run in runs} & set(rollout.never))
        if wrong:
            problems.append(f"{part} ran {', '.join(wrong)}, which must not run there")
    if rollout.restarted is not None and rollout.work_done is None:
        problems.append("the killed controller has not done its work")
    elif (rollout.work_done or 0.0) < (rollout.restarted or 0.0):
        problems.append("no evidence: the controller had done its work when it was killed")
    reason = "it was not seen"
    running = max(started) if len(started) == len(rollout.parts) else None
    stages = {
        "fetched": rollout.fetched,
        "applied": rollout.applied,
        "running": running,
    }
    node = rollout.node
    label = AFTER_HEAL if rollout.expected else "after the push"
    measures = [
        _measure(f"revision {stage}", at and at - rollout.pushed, "s", node, reason=reason)
        for stage, at in stages.items()
        if rollout.expected is None or stage == "running"
    ]
    if rollout.expected is not None:
        after = None if running is None else running - rollout.expected
        measures = [_measure("newest revision runs", after, "s", node, label=label, reason=reason)]
        if rollout.received is not None:
            measures.append(
                _measure("uplink bytes for the update", rollout.received, "B", node, label=label)
            )
    head = f"{rollout.revision} after {rollout.previous}, {rollout.commits} commits"
    lines = told(rollout.runs, rollout.pushed)
    return Verdict(node, rollout.runtime, tuple(problems), tuple(measures), (head, *lines))


def judge_surge(back: Rollout, part: str) -> Verdict:
    """Whether the old revision of a surging part ran, after a heal, until the new one had
    started."""
    runs = of_part(back.runs, part)
    healed = back.expected or back.pushed
    problems: list[str] = []
    first = first_run(runs, part, back.revision)
    if running_at(runs, part, healed) != (back.previous,):
        problems.append(f"no evidence: {part} did not run {back.previous} alone at the heal")
    elif first is None:
        problems.append(f"no evidence: {part} never ran {back.revision}")
    else:
        (old,) = (run for run in runs if run.began <= healed < (run.ended or math.inf))
        if old.ended is not None and old.ended <= first.began:
            problems.append(f"{part} ended before {back.revision} had started")
    absent = without(runs, {back.previous, back.revision}, healed, back.observed_at)
    measure = _measure("surging part absent", round(absent, 1), "s", back.node, label=AFTER_HEAL)
    return Verdict(back.node, back.runtime, tuple(problems), (measure,), told(runs, healed))


def judge_offline(offline: Offline) -> Verdict:
    """Whether the node kept its state, whatever was pushed meanwhile."""
    problems: list[str] = []
    away = offline.ended - offline.began
    if away < LEAST_AWAY_SECONDS:
        problems.append(f"no evidence: the node was offline for {away:.0f} s")
    if not offline.changes:
        problems.append("no evidence: nothing was pushed while it was offline")
    starts = 0
    for part in offline.parts:
        runs = of_part(offline.runs, part)
        if running_at(runs, part, offline.began) != (offline.revision,):
            problems.append(f"no evidence: {part} did not run {offline.revision} at first")
        if running_at(runs, part, offline.ended) != (offline.revision,):
            problems.append(f"{part} does not run {offline.revision} at the end")
        began = [run for run in runs if offline.began < run.began <= offline.ended]
        starts += len(began)
        other = sorted({run.revision for run in began} - {offline.revision})
        if other:
            problems.append(f"{part} ran {', '.join(other)} meanwhile")
    if starts != offline.restarts:
        problems.append(f"{starts} starts while offline, not {offline.restarts}")
    return Verdict(
        offline.node,
        offline.runtime,
        tuple(problems),
        (_measure("starts while offline", starts, "count", offline.node),),
        told(offline.runs, offline.began),
    )


def judge_drift(drift: Drift) -> Verdict:
    """Whether a manual change is corrected in time, once, and permanently."""
    problems: list[str] = []
    right = drift.seen.get(drift.revision)
    took = None if right is None else right - drift.made
    made = drift.other in drift.seen
    if not made:
        problems.append("no evidence: the change was never seen")
    if drift.last != drift.revision:
        problems.append(f"it has {drift.last or 'nothing'} in the end, not {drift.revision}")
    if took is not None and took > drift.limit_s:
        problems.append(f"it was reverted after {took:.0f} s; {drift.limit_s:g} s are allowed")
    if made and drift.last == drift.revision and drift.generations != 2:
        problems.append(f"its generation has changed {drift.generations} times, not twice")
    runs = of_part(drift.runs, drift.part)
    if drift.part:
        if running_at(runs, drift.part, drift.ended) != (drift.revision,):
            problems.append(f"{drift.part} does not run {drift.revision} in the end")
        later = [run for run in runs if run.began > drift.made]
        if drift.offline and any(run.revision == drift.other for run in later):
            problems.append(f"{drift.part} ran {drift.other} on a node that was out of reach of it")
        # Because of the change the DaemonSet deleted its pod, which ends when the node returns.
        most = 1 if drift.offline else 2
        if len(later) > most:
            problems.append(f"{len(later)} starts; {most} are a change and its end")
    measure = _measure(
        "drift reverted", took, "s", drift.node, label=drift.what, reason="it was not"
    )
    lines = told(runs, drift.made)
    return Verdict(drift.node, drift.runtime, tuple(problems), (measure,), (drift.what, *lines))


def judge_bad_commit(bad: BadCommit, *, said: bool = True) -> Verdict:
    """Whether the node kept the last good revision until the fix; with `said`, also whether Flux
    reported an error, and applied nothing of it. Without, Flux must have applied it: otherwise
    nothing could have happened on the node."""
    problems: list[str] = []
    outage = 0.0
    for part in bad.parts:
        runs = of_part(bad.runs, part)
        if running_at(runs, part, bad.pushed) != (bad.good,):
            problems.append(f"no evidence: {part} did not run {bad.good} before")
        missing = without(runs, {bad.good}, bad.pushed, bad.fixed)
        outage = max(outage, missing)
        if missing > LOOK_SECONDS:
            problems.append(f"{part} did not run {bad.good} for {missing:.0f} s")
        if any(run.revision == bad.bad for run in runs):
            problems.append(f"{part} ran {bad.bad}")
    if said and not bad.said:
        problems.append("Flux does not say that anything is wrong")
    found = set(bad.revisions.values())
    applied = ", ".join(f"{name} {revision}" for name, revision in bad.revisions.items())
    if len(found) > 1:
        problems.append(f"only a part of it is applied: {applied}")
    elif said and found != {bad.good}:
        problems.append(f"it is applied: {applied or 'nothing'}")
    elif not said and found != {bad.bad}:
        problems.append(f"no evidence: it is not applied: {applied or 'nothing'}")
    measure = _measure("outage by a bad commit", round(outage, 1), "s", bad.node, label=bad.fault)
    evidence = (f"Flux: {bad.said or 'nothing'}", *told(bad.runs, bad.pushed))
    return Verdict(bad.node, bad.runtime, tuple(problems), (measure,), evidence)


def without(runs: Sequence[Run], revisions: AbstractSet[str], since: float, until: float) -> float:
    """Seconds in between without a run of any of `revisions`."""
    spans = sorted(
        (max(run.began, since), min(run.ended or until, until))
        for run in runs
        if run.revision in revisions and run.began < until and (run.ended or until) > since
    )
    missing, at = 0.0, since
    for began, ended in spans:
        missing += max(began - at, 0.0)
        at = max(at, ended)
    return missing + max(until - at, 0.0)


def judge_pods(pods: Pods, *, most: int) -> Verdict:
    """Whether a Deployment of one pod keeps few pods while its node is unreachable."""
    problems: list[str] = []
    if pods.away_s < LEAST_AWAY_SECONDS or len(pods.counts) < LEAST_COUNTS:
        problems.append(f"no evidence: {len(pods.counts)} counts in {pods.away_s:.0f} s")
    peak = max(pods.counts, default=0)
    if not peak:
        problems.append("no evidence: there was no pod")
    if peak > most:
        problems.append(f"{peak} pods of one replica; {most} are allowed")
    if pods.after != 1:
        problems.append(f"{pods.after} pods after the heal")
    rate = _measure("most pods of a Deployment with one replica", peak, "count", pods.node)
    looks = f"{pods.deployment}, away for {pods.away_s:.0f} s: {', '.join(map(str, pods.counts))}"
    return Verdict(pods.node, pods.runtime, tuple(problems), (rate,), (looks,))


def judge_secrets(texts: Texts) -> Verdict:
    """Whether no secret is in any of the texts."""
    problems = [
        f"{where} contains {name}"
        for where, text in texts.texts.items()
        for name, strings in texts.secrets.items()
        if any(string in text for string in strings)
    ]
    if not texts.secrets or not all(texts.secrets.values()):
        problems.append("no evidence: there is no secret to search for")
    problems += [
        f"no evidence: {where} is empty" for where, text in texts.texts.items() if not text
    ]
    looked = tuple(f"{where}: {len(text)} characters" for where, text in texts.texts.items())
    return Verdict(texts.node, texts.runtime, tuple(problems), (), looked)
