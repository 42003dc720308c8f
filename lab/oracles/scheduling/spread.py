"""Whether pods are spread over domains as a topology spread constraint demands.

Computed independently from the objects, for constraints with `whenUnsatisfiable: DoNotSchedule`
([definition](https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.placement import (
    PENDING_REASON,
    Object,
    objection,
    unselected,
    untolerated,
)
from edge_lab.oracles.verdict import Judged

HONOR = "Honor"
HARD = "DoNotSchedule"


@dataclass(frozen=True)
class Spread(Judged):
    """The verdict on all pods of one constraint."""

    counts: Mapping[str, int]
    """Pods in each domain that counts, by the value of its label."""
    pending: tuple[str, ...]
    """Pods that are bound to no node."""
    problems: tuple[str, ...]

    @property
    def skew(self) -> int:
        """The difference between the fullest domain and the emptiest."""
        return max(self.counts.values()) - min(self.counts.values())

    @property
    def head(self) -> str:
        counts = ", ".join(f"{domain}: {count}" for domain, count in sorted(self.counts.items()))
        waiting = f"; pending: {', '.join(self.pending)}" if self.pending else ""
        return f"{counts}{waiting}"


def spread(
    pods: Sequence[Object], nodes: Iterable[Object], events: Mapping[str, Iterable[str]]
) -> Spread:
    """Whether the pods are spread, and whether each that is pending has to be.

    Args:
        pods: Those that share one constraint, after the scheduler's decisions, with no other
            pod that its selector matches.
        nodes: All of the cluster.
        events: Of each pod by its name, as `reason: message`.

    Raises:
        LabError: there is no pod or no domain, the pods differ in their constraints or have not
            exactly one, or it is not a hard one.
    """
    if not pods:
        raise LabError("no evidence: there is no pod that could be spread")
    constraint = _constraint(pods)
    key, most = constraint["topologyKey"], int(constraint["maxSkew"])
    known = {node["metadata"]["name"]: node for node in nodes}
    domain_of = {
        name: node["metadata"]["labels"][key]
        for name, node in known.items()
        if _counts(pods[0], node, constraint)
    }
    if not domain_of:
        raise LabError(f"no evidence: no node that counts has the label {key}")
    counts = dict.fromkeys(domain_of.values(), 0)
    pending, problems = [], []
    for pod in pods:
        name, where = pod["metadata"]["name"], pod["spec"].get("nodeName", "")
        if not where:
            pending.append(pod)
        elif where in domain_of:
            counts[domain_of[where]] += 1
        else:
            problems.append(f"{name} is on {where}, which is in no domain that counts")
    for pod in pending:
        problems += _pending_problems(pod, known, domain_of, counts, most, events)
    names = tuple(pod["metadata"]["name"] for pod in pending)
    found = Spread(counts, names, tuple(problems))
    if found.skew <= most:
        return found
    skewed = f"the skew is {found.skew}, and at most {most} is allowed"
    return replace(found, problems=(skewed, *problems))


def _constraint(pods: Sequence[Object]) -> Mapping[str, Any]:
    found: list[list[Mapping[str, Any]]] = [
        list(pod["spec"].get("topologySpreadConstraints") or ()) for pod in pods
    ]
    if any(constraints != found[0] for constraints in found):
        raise LabError("the pods differ in their topology spread constraints")
    if len(found[0]) != 1 or found[0][0].get("whenUnsatisfiable") != HARD:
        raise LabError(f"one topology spread constraint with {HARD} is judged, and no other")
    return found[0][0]


def _counts(pod: Object, node: Object, constraint: Mapping[str, Any]) -> bool:
    """Whether the node's domain is one of those over which the pods are spread."""
    if constraint["topologyKey"] not in node["metadata"].get("labels", {}):
        return False
    if constraint.get("nodeAffinityPolicy", HONOR) == HONOR and unselected(pod, node):
        return False
    return constraint.get("nodeTaintsPolicy") != HONOR or not untolerated(pod, node)


def _pending_problems(
    pod: Object,
    nodes: Mapping[str, Object],
    domain_of: Mapping[str, str],
    counts: Mapping[str, int],
    most: int,
    events: Mapping[str, Iterable[str]],
) -> list[str]:
    name = pod["metadata"]["name"]
    bare = {**pod, "spec": {**pod["spec"], "topologySpreadConstraints": ()}}
    possible = [
        node
        for node, domain in domain_of.items()
        if counts[domain] + 1 - min(counts.values()) <= most and not objection(bare, nodes[node])
    ]
    if possible:
        return [f"{name} is pending, but could be on {', '.join(sorted(possible))}"]
    if not any(event.startswith(PENDING_REASON) for event in events.get(name, ())):
        return [f"{name} is pending, and no event {PENDING_REASON} gives a reason"]
    return []
