"""The rollout of a revision: from the push through Flux to the nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.gitops.fleet import AGENT, HELPER, Part, Revision, revision_of
from edge_lab.addons.gitops.names import REPOSITORY
from edge_lab.addons.witness import running_at
from suites.gitops.evidence import Rollout
from suites.gitops.side import Side

BASE = (AGENT, HELPER)
"""The parts of a fleet, unless a scenario needs others."""
FIRST_SECONDS = 300.0
"""Seconds for the initial revision of a scenario."""
ROLLOUT_SECONDS = 180.0
"""Seconds from a push until it runs on an emulated node."""


@dataclass
class Flow:
    """The rollout of one revision: when each stage was first seen."""

    commit: str
    pushed: float
    fetched: float | None = None
    applied: float | None = None

    def look(self, side: Side) -> bool:
        """Whether it is applied."""
        now = side.now()
        if self.fetched is None and self._has(side, "gitrepository"):
            self.fetched = now
        if self.applied is None and self._has(side, "kustomization"):
            self.fetched = self.fetched or now
            self.applied = now
        return self.applied is not None

    def _has(self, side: Side, kind: str) -> bool:
        status = (side.find(kind, REPOSITORY) or {}).get("status", {})
        said = status.get("lastAppliedRevision") or status.get("artifact", {}).get("revision", "")
        return self.commit in said


def runs_it(side: Side, node: str, parts: Sequence[Part], revision: str) -> bool:
    """Whether the node runs this revision of all parts, and no other."""
    runs, now = side.runs(node), side.now()
    return all(set(running_at(runs, part.name, now)) == {revision} for part in parts)


def all_run(side: Side, nodes: Sequence[str], parts: Sequence[Part], revision: str) -> bool:
    return all(runs_it(side, node, parts, revision) for node in nodes)


def revision_in(found: Mapping[str, Any]) -> str:
    """The revision of a DaemonSet, or of the settings; empty if there is none."""
    if "data" in found:
        return str(found["data"].get("revision", ""))
    return revision_of(found["spec"]["template"]) if found else ""


def begin(side: Side, revision: Revision) -> None:
    """Waits until all nodes run it, as the initial state of a scenario."""
    side.push([revision])
    side.until(
        f"all nodes run {revision.name}",
        lambda: all_run(side, side.nodes, revision.parts, revision.name),
        FIRST_SECONDS,
    )


def names_of(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(part.name for part in parts)


def rollout_of(
    side: Side, node: str, parts: Sequence[Part], previous: str, revision: str, flow: Flow
) -> Rollout:
    return Rollout(
        node=node,
        runtime=side.runtime(node),
        parts=names_of(parts),
        previous=previous,
        revision=revision,
        pushed=flow.pushed,
        fetched=flow.fetched,
        applied=flow.applied,
        observed_at=side.now(),
        runs=side.runs(node),
    )


def push_and_follow(
    side: Side, revision: Revision, nodes: Sequence[str], parts: Sequence[Part]
) -> Flow:
    """Waits until the nodes run it, or the time is over; missing ones are judged later."""
    (pushed,) = side.push([revision])
    flow = Flow(pushed.commit, pushed.time)
    side.seen(
        lambda: flow.look(side) and all_run(side, nodes, parts, revision.name), ROLLOUT_SECONDS
    )
    return flow


def was_attempted(side: Side, commit: str) -> bool:
    """Whether Flux tried to apply a commit."""
    status = (side.find("kustomization", REPOSITORY) or {}).get("status", {})
    return commit in status.get("lastAttemptedRevision", "")


def what_is_said(side: Side, commit: str) -> str:
    """Flux's reason why the commit is not applied; empty if there is none."""
    status = (side.find("kustomization", REPOSITORY) or {}).get("status", {})
    if commit not in status.get("lastAttemptedRevision", ""):
        return ""
    for condition in status.get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "False":
            return f"{condition['reason']}: {condition['message']}"
    return ""
