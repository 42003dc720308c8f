"""A node is cut off in the middle of an update: the scenario, its evidence and its verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_lab.addons.gitops.fleet import AGENT, HELPER, SURGING, Revision
from edge_lab.addons.witness import Run, running_at
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.verdict import Verdict
from suites.gitops.evidence import Rollout
from suites.gitops.flow import ROLLOUT_SECONDS, Flow, begin, names_of, rollout_of, runs_it
from suites.gitops.judging import LEAST_AWAY_SECONDS, LOOK_SECONDS, of_part, told, without
from suites.gitops.scenarios import BACK_SECONDS, LOST_SECONDS
from suites.gitops.side import Side
from suites.waiting import watch

PARTS = (AGENT, HELPER, SURGING)
CUT_SECONDS = 45.0
"""Seconds to watch the node after it is lost."""
EVIDENCE = "processes on the node"


@dataclass(frozen=True)
class Interrupted:
    """What a node ran from the moment an update had begun there until its link was restored."""

    node: str
    runtime: str
    parts: tuple[str, ...]
    surging: frozenset[str]
    """Parts whose old revision is removed only when the new one is Ready."""
    previous: str
    revision: str
    begun: float | None
    """When a process on the node was first seen to have ended or started for the update; None if
    never."""
    cut: float
    """When the link was cut."""
    ended: float
    """When the node was observed for the last time before the heal."""
    runs: tuple[Run, ...]


def cut_during_update(side: Side, node: str) -> tuple[Interrupted, Rollout]:
    """Pushes a revision, and cuts the node off when the first of its processes is replaced;
    heals."""
    first = Revision(side.name(), side.nodes, PARTS)
    begin(side, first)
    second = replace(first, name=side.name())
    (pushed,) = side.push([second])
    flow = Flow(pushed.commit, pushed.time)

    def has_begun() -> bool:
        return any(
            run.revision == second.name
            or (run.revision == first.name and (run.ended or 0.0) >= pushed.time)
            for run in side.runs(node)
        )

    begun = side.now() if side.seen(has_begun, ROLLOUT_SECONDS) else None
    with side.cut(node):
        cut = side.now()
        side.until(f"{node} is lost", lambda: not side.ready(node), LOST_SECONDS)
        watch(side, CUT_SECONDS, lambda: flow.look(side))
        found = Interrupted(
            node=node,
            runtime=side.runtime(node),
            parts=names_of(PARTS),
            surging=frozenset({SURGING.name}),
            previous=first.name,
            revision=second.name,
            begun=begun,
            cut=cut,
            ended=side.now(),
            runs=side.runs(node),
        )
    healed = side.now()
    side.seen(lambda: flow.look(side) and runs_it(side, node, PARTS, second.name), BACK_SECONDS)
    back = rollout_of(side, node, PARTS, first.name, second.name, flow)
    return found, replace(back, expected=healed)


def judge_interrupted(found: Interrupted) -> Verdict:
    """Whether the node ran nothing but the two revisions, each new part started at most once, and
    surging parts were always there. Other parts may be absent: their old pod is removed first, so
    their absence is a measure."""
    problems: list[str] = []
    away = found.ended - found.cut
    if away < LEAST_AWAY_SECONDS:
        problems.append(f"no evidence: the node was cut off for {away:.0f} s")
    if found.begun is None:
        problems.append("no evidence: the update did not begin before the cut")
    at_cut = [running_at(found.runs, part, found.cut) for part in found.parts]
    if all(set(revisions) == {found.revision} for revisions in at_cut):
        problems.append("no evidence: the update was complete before the cut")
    since = found.begun or found.cut
    absent: dict[str, float] = {}
    for part in found.parts:
        runs = of_part(found.runs, part)
        if not any(run.revision == found.previous for run in runs):
            problems.append(f"no evidence: {part} never ran {found.previous}")
        started = [run for run in runs if since < run.began <= found.ended]
        other = sorted({run.revision for run in started} - {found.revision})
        if other:
            problems.append(f"{part} started {', '.join(other)} while cut off")
        count = sum(run.revision == found.revision for run in runs)
        if count > 1:
            problems.append(f"{part} was started {count} times")
        allowed = {found.previous, found.revision}
        absent[part] = without(runs, allowed, since, found.ended)
        if part in found.surging and absent[part] > LOOK_SECONDS:
            problems.append(f"{part} was absent for {absent[part]:.0f} s, although it surges")
    return Verdict(
        found.node,
        found.runtime,
        tuple(problems),
        _absences(found, absent),
        told(found.runs, since),
    )


def _absences(found: Interrupted, absent: dict[str, float]) -> tuple[Measure, ...]:
    groups = {
        "surging": found.surging,
        "replaced in place": absent.keys() - found.surging,
    }
    return tuple(
        Measure.of(
            "absent while cut off during an update",
            round(max(absent[part] for part in parts), 1),
            "s",
            found.node,
            label=how,
            evidence=EVIDENCE,
        )
        for how, parts in groups.items()
        if parts
    )
