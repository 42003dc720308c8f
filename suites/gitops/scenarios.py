"""Scenarios for a fleet, and their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from edge_lab.addons.gitops.fleet import (
    AGENT,
    STRICT,
    SURGING,
    Fault,
    Part,
    Revision,
)
from edge_lab.addons.gitops.flux import APPLY_SECONDS
from edge_lab.addons.witness import Run
from suites.gitops.evidence import BadCommit, Drift, Offline, Pods, Rollout
from suites.gitops.flow import (
    BASE,
    FIRST_SECONDS,
    ROLLOUT_SECONDS,
    Flow,
    all_run,
    begin,
    names_of,
    push_and_follow,
    revision_in,
    rollout_of,
    runs_it,
    was_attempted,
    what_is_said,
)
from suites.gitops.side import Side
from suites.waiting import watch

STRATEGIES = (STRICT, SURGING)
"""Parts with other update strategies than that of BASE."""
LOST_SECONDS = 120.0
BACK_SECONDS = 240.0
"""Seconds from a heal until the newest revision runs."""
RESET_SECONDS = 240.0
"""Seconds from the boot of a node until it runs what it ran before the reset."""
STRICT_SECONDS = 60.0
"""Seconds to watch a DaemonSet of the default strategy after the others were updated."""
SAID_SECONDS = 120.0
KEPT_SECONDS = 45.0
"""Seconds to watch a node with a bad commit."""
DRIFT_SECONDS = APPLY_SECONDS + 30.0
"""Seconds until a manual change is corrected: the interval, and one application on a busy
server."""
SETTLED_SECONDS = 1.5 * APPLY_SECONDS
PILE_SECONDS = 240.0
"""Seconds to watch for more pods; about one more every minute."""
PILE_LOOKS = 8


# -- a node that is unreachable ------------------------------------------------------------------


@dataclass(frozen=True)
class Away:
    """Evidence of a node that was unreachable during pushes."""

    offline: Offline
    online: tuple[Rollout, ...]
    """Of the other nodes, for the parts that must be updated."""
    strict: tuple[Rollout, ...]
    """Of the other nodes, for the part whose DaemonSet has the default strategy."""
    back: Rollout
    """Of the node, from the heal on."""
    strategies: Mapping[str, Rollout] = field(default_factory=dict)
    """The same for each part of `STRATEGIES`, by its name."""


def away(
    side: Side,
    node: str,
    *,
    faults: Sequence[Fault] = (Fault.NONE,),
    commits: int = 1,
    strategies: bool = False,
    reset: bool = False,
) -> Away:
    """Cuts the node off; meanwhile there is a push for each of `faults`, of so many commits, the
    last of which has the fault. With `reset`, the node is reset after them; with `strategies`, the
    fleet has the parts of STRATEGIES too. Then heals."""
    parts = (*BASE, *STRATEGIES) if strategies else BASE
    others = [name for name in side.nodes if name != node]
    first = Revision(side.name(), side.nodes, parts)
    begin(side, first)
    with side.cut(node):
        began = side.now()
        side.until(f"{node} is lost", lambda: not side.ready(node), LOST_SECONDS)
        made: list[Revision] = []
        for fault in faults:
            fresh = [replace(first, name=side.name()) for _ in range(commits)]
            fresh[-1] = replace(fresh[-1], fault=fault)
            # Older commits are fetched, too, if there is time: they may be applied or not.
            (pushed,) = side.push(fresh)
            if fault is not Fault.NONE:
                attempted = partial(was_attempted, side, pushed.commit)
                side.until("the bad commit is attempted", attempted, SAID_SECONDS)
            made += fresh
        last, flow = made[-1], Flow(pushed.commit, pushed.time)
        side.seen(
            lambda: flow.look(side) and all_run(side, others, BASE, last.name), ROLLOUT_SECONDS
        )
        online = [rollout_of(side, other, BASE, first.name, last.name, flow) for other in others]
        held: list[Rollout] = []
        if strategies:
            side.seen(lambda: all_run(side, others, (STRICT,), last.name), STRICT_SECONDS)
            held = [
                rollout_of(side, other, (STRICT,), first.name, last.name, flow) for other in others
            ]
        if reset:
            off = side.now()
            side.reset(node)
            side.seen(lambda: _run_since(side, node, parts, first.name, off), RESET_SECONDS)
        ended, received = side.now(), side.received(node)
        offline = Offline(
            node=node,
            runtime=side.runtime(node),
            parts=names_of(parts),
            revision=first.name,
            began=began,
            ended=ended,
            runs=side.runs(node),
            changes=len(made),
            restarts=len(parts) if reset else 0,
        )
    healed = side.now()
    side.seen(lambda: all_run(side, side.nodes, BASE, last.name), BACK_SECONDS)
    later = side.received(node)
    back = replace(
        rollout_of(side, node, BASE, first.name, last.name, flow),
        never=tuple(revision.name for revision in made[:-1]),
        expected=healed,
        received=None if received is None or later is None else later - received,
        commits=len(made),
    )
    others_back: dict[str, Rollout] = {}
    if strategies:
        side.seen(lambda: all_run(side, side.nodes, STRATEGIES, last.name), BACK_SECONDS)
        others_back = {
            part.name: replace(
                rollout_of(side, node, (part,), first.name, last.name, flow), expected=healed
            )
            for part in STRATEGIES
        }
    return Away(offline, tuple(online), tuple(held), back, others_back)


def _run_since(side: Side, node: str, parts: Sequence[Part], revision: str, since: float) -> bool:
    """Whether the node runs this revision of all parts, and started each since then."""
    running = [run for run in side.runs(node) if run.ended is None and run.began > since]
    return {part.name for part in parts} <= {
        run.part for run in running if run.revision == revision
    }


def ended_by_hand(side: Side, node: str) -> Offline:
    """Kills a process on an unreachable node after a push."""
    first = Revision(side.name(), side.nodes)
    begin(side, first)
    with side.cut(node):
        began = side.now()
        side.until(f"{node} is lost", lambda: not side.ready(node), LOST_SECONDS)
        side.push([replace(first, name=side.name())])
        before = side.runs(node)
        side.end_process(node, AGENT.name)

        def again() -> bool:
            later = [run for run in side.runs(node) if run not in before and run.ended is None]
            return any(run.part == AGENT.name for run in later)

        side.seen(again, ROLLOUT_SECONDS)
        return Offline(
            node=node,
            runtime=side.runtime(node),
            parts=names_of(BASE),
            revision=first.name,
            began=began,
            ended=side.now(),
            runs=side.runs(node),
            changes=1,
            restarts=1,
        )


# -- drift -------------------------------------------------------------------------------------


def drift(side: Side, node: str, *, offline: bool = False) -> Drift:
    """Changes the DaemonSet by hand in the cluster; with `offline`, while the node is unreachable
    until the correction."""
    revision = Revision(side.name(), side.nodes)
    begin(side, revision)
    if not offline:
        return _drift(side, node, revision.name, "by hand")
    with side.cut(node):
        side.until(f"{node} is lost", lambda: not side.ready(node), LOST_SECONDS)
        found = _drift(side, node, revision.name, "by hand while offline")
    side.until(f"{node} is Ready", lambda: side.ready(node), BACK_SECONDS)
    watch(side, SETTLED_SECONDS)
    side.seen(lambda: runs_it(side, node, (AGENT,), revision.name), ROLLOUT_SECONDS)
    return replace(found, runs=side.runs(node), ended=side.now(), offline=True)


def drift_without_git(side: Side, node: str) -> tuple[Drift, list[Rollout]]:
    """Changes the cluster by hand while the Git server is silent; then the server answers again,
    and there is a push."""
    first = Revision(side.name(), side.nodes)
    begin(side, first)
    with side.silent_git():
        found = _drift(side, node, first.name, "by hand, Git server silent")
    second = replace(first, name=side.name())
    flow = push_and_follow(side, second, side.nodes, BASE)
    return found, [
        rollout_of(side, each_node, BASE, first.name, second.name, flow) for each_node in side.nodes
    ]


def _drift(side: Side, node: str, revision: str, what: str) -> Drift:
    kind, part, other = "daemonset", AGENT.name, side.name()
    before = side.find(kind, part)
    assert before is not None
    container = before["spec"]["template"]["spec"]["containers"][0]
    words = ["/edge", "pause", f"part={part}", f"revision={other}"]
    changed = {"spec": {"template": {"spec": {"containers": [{**container, "command": words}]}}}}
    made = side.now()
    # It may be corrected before the first poll, so that only the answer shows it.
    seen = {revision_in(side.patch(kind, part, changed)): side.now()}
    last: dict[str, Any] = {}

    def look() -> bool:
        nonlocal last
        last = side.find(kind, part) or {}
        seen.setdefault(revision_in(last), side.now())
        return revision_in(last) == revision

    side.seen(look, DRIFT_SECONDS + 30)
    watch(side, SETTLED_SECONDS, look)
    side.seen(lambda: runs_it(side, node, (AGENT,), revision), ROLLOUT_SECONDS)
    return Drift(
        what=what,
        runtime=side.runtime(node),
        node=node,
        revision=revision,
        other=other,
        made=made,
        seen=seen,
        generations=last["metadata"]["generation"] - before["metadata"]["generation"],
        limit_s=DRIFT_SECONDS,
        last=revision_in(last),
        runs=side.runs(node),
        ended=side.now(),
        part=part,
    )


# -- commits that are wrong ---------------------------------------------------------------------


def bad_commit(
    side: Side, fault: Fault, parts: Sequence[Part] = BASE
) -> tuple[list[BadCommit], list[Rollout]]:
    """A commit that cannot work, and then one that does."""
    good = Revision(side.name(), side.nodes, tuple(parts))
    begin(side, good)
    wrong = replace(good, name=side.name(), fault=fault)
    (pushed,) = side.push([wrong])
    said = ""

    def looked() -> bool:
        nonlocal said
        said = said or what_is_said(side, pushed.commit)
        return bool(said)

    names = names_of(parts)

    def applied() -> bool:
        return set(_revisions(side, names).values()) == {wrong.name}

    # Only a missing image can be applied; Flux has nothing to say of it.
    side.seen(applied if fault is Fault.NO_IMAGE else looked, SAID_SECONDS)
    watch(side, KEPT_SECONDS, looked)
    revisions = _revisions(side, names)
    fixed = side.now()
    runs = {node: side.runs(node) for node in side.nodes}
    fix = replace(good, name=side.name())
    flow = push_and_follow(side, fix, side.nodes, parts)
    evidence = [
        BadCommit(
            node=node,
            runtime=side.runtime(node),
            fault=fault.value,
            parts=names,
            good=good.name,
            bad=wrong.name,
            pushed=pushed.time,
            fixed=fixed,
            said=said,
            revisions=revisions,
            runs=_until(runs[node], fixed),
        )
        for node in side.nodes
    ]
    return evidence, [
        rollout_of(side, node, parts, good.name, fix.name, flow) for node in side.nodes
    ]


def _revisions(side: Side, parts: Sequence[str]) -> dict[str, str]:
    """By object in the cluster, the revision that it has."""
    found = {name: revision_in(side.find("daemonset", name) or {}) for name in parts}
    return {**found, "settings": revision_in(side.find("configmap", "settings") or {})}


def _until(runs: Sequence[Run], time: float) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.began < time)


# -- pods ----------------------------------------------------------------------------------------


def piled_up(side: Side, node: str) -> Pods:
    """A Deployment of one pod is bound to an unreachable node."""
    name = "bound"
    first = Revision(side.name(), side.nodes, deployments={name: node})
    begin(side, first)
    side.until(
        "its pod runs", lambda: runs_it(side, node, (Part(name),), first.name), FIRST_SECONDS
    )
    counts: list[int] = []
    with side.cut(node):
        began = side.now()
        side.until(f"{node} is lost", lambda: not side.ready(node), LOST_SECONDS)
        for _ in range(PILE_LOOKS):
            counts.append(len(side.pods(name)))
            watch(side, PILE_SECONDS / PILE_LOOKS)
        away_s = side.now() - began
    side.until(f"{node} is Ready", lambda: side.ready(node), BACK_SECONDS)
    side.seen(lambda: len(side.pods(name)) == 1, BACK_SECONDS)
    return Pods(name, node, side.runtime(node), away_s, tuple(counts), len(side.pods(name)))
