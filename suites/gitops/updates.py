"""A commit reaches all nodes, and a controller of Flux may be killed when it has work to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.names import KUSTOMIZE_CONTROLLER, REPOSITORY
from suites.gitops.evidence import Rollout
from suites.gitops.flow import (
    BASE,
    ROLLOUT_SECONDS,
    Flow,
    all_run,
    begin,
    names_of,
    revision_in,
    rollout_of,
)
from suites.gitops.side import Side

KILLS = 3
"""Commits that are tried, if a controller has done its work on one before it is killed."""


def update(side: Side, *, killed: str = "") -> list[Rollout]:
    """A commit reaches all nodes. The controller `killed` is killed when it has work to do:
    source-controller after the push, kustomize-controller when the commit is fetched. If it was
    killed too late, so that nothing was interrupted, there is another commit; all are returned."""
    current = Revision(side.name(), side.nodes)
    begin(side, current)
    found: list[Rollout] = []
    for left in reversed(range(KILLS)):
        following = replace(current, name=side.name())
        rollouts = _one_update(side, current, following, killed)
        if not (left and any(map(_has_missed, rollouts))):
            return [*found, *rollouts]
        found += [replace(rollout, restarted=None, work_done=None) for rollout in rollouts]
        current = following
    raise AssertionError("KILLS is less than 1")


def _has_missed(rollout: Rollout) -> bool:
    """Whether the controller had done its work before it was started again."""
    return (
        rollout.restarted is not None
        and rollout.work_done is not None
        and rollout.work_done < rollout.restarted
    )


def _one_update(side: Side, first: Revision, second: Revision, killed: str) -> list[Rollout]:
    (pushed,) = side.push([second])
    flow = Flow(pushed.commit, pushed.time)
    if killed == KUSTOMIZE_CONTROLLER:
        # Nothing else is read meanwhile: the controller works on it from now on.
        side.until(
            "source-controller has it",
            lambda: fetched_at(side, pushed.commit) is not None,
            ROLLOUT_SECONDS,
        )
        flow.fetched = side.now()
    restarted = side.kill(killed) if killed else None
    side.seen(
        lambda: flow.look(side) and all_run(side, side.nodes, BASE, second.name), ROLLOUT_SECONDS
    )
    done: float | None = None
    if killed == KUSTOMIZE_CONTROLLER:
        done = applied_at(side, second.name)
    elif killed:
        done = fetched_at(side, pushed.commit)
    return [
        replace(
            rollout_of(side, node, BASE, first.name, second.name, flow),
            restarted=restarted,
            work_done=done,
        )
        for node in side.nodes
    ]


def fetched_at(side: Side, commit: str) -> float | None:
    """When source-controller stored the commit, by the server's clock in whole seconds; None if it
    has not."""
    artifact = (side.find("gitrepository", REPOSITORY) or {}).get("status", {}).get("artifact", {})
    if commit not in artifact.get("revision", ""):
        return None
    return _time(artifact["lastUpdateTime"])


def applied_at(side: Side, revision: str) -> float | None:
    """When kustomize-controller changed the last of the fleet's objects, by the server's clock in
    whole seconds: the API server notes it, and a repeated application changes nothing. None if one
    does not have the revision."""
    objects = [("daemonset", part) for part in names_of(BASE)] + [("configmap", "settings")]
    found = [side.find(kind, name) or {} for kind, name in objects]
    if {revision_in(each) for each in found} != {revision}:
        return None
    return max((time for each in found for time in _changes(each)), default=None)


def _changes(found: dict[str, Any]) -> Iterator[float]:
    """When kustomize-controller changed an object; not its status, which others write."""
    for entry in found["metadata"].get("managedFields", ()):
        if entry["manager"] == KUSTOMIZE_CONTROLLER and not entry.get("subresource"):
            yield _time(entry["time"])


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
