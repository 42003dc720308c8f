"""Where a pod may be placed, computed independently from the objects, and whether it was.

Covers these filters of the scheduler: node name, unschedulable nodes, node selector, required node
affinity, taints, CPU and memory. Others (volumes, affinity to other pods) are not judged, and a pod
that uses them is a LabError. So is topology spread, which `spread` judges for all pods together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.oracles.verdict import Judged

Object = Mapping[str, Any]

PENDING_REASON = "FailedScheduling"
"""The event that gives the reason why a pod is bound to no node."""

_SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTP", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTP", 1)},
}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|)")
_HARD = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Placement(Judged):
    """The verdict on where one pod is."""

    pod: str
    node: str
    """The node that it is bound to; empty for none."""
    refused: Mapping[str, str]
    """The nodes that it must not be on, with the reason."""
    allowed: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        where = f"is on {self.node}" if self.node else "is on no node"
        may = ", ".join(self.allowed) or "none"
        return f"{self.pod} {where}, may be on {may}"


def placement(
    pod: Object, nodes: Sequence[Object], others: Iterable[Object] = (), events: Iterable[str] = ()
) -> Placement:
    """Whether the pod is on a permitted node, or, if there is none, is pending with a reason.

    Args:
        pod: As the API server shows it after the scheduler's decision.
        nodes: All of the cluster.
        others: The pods that were bound to nodes before it.
        events: The pod's events, as `reason: message`.

    Raises:
        LabError: there is no node, so there is nothing to judge by; or the pod uses a filter
            that is not covered here.
    """
    name = pod["metadata"]["name"]
    if not nodes:
        raise LabError(f"no evidence: no node is known that {name} could be on")
    bound = [other for other in others if other["metadata"]["name"] != name]
    reasons = {node["metadata"]["name"]: objection(pod, node, bound) for node in nodes}
    allowed = tuple(node for node, reason in reasons.items() if not reason)
    where = pod["spec"].get("nodeName", "")
    problems = []
    if where and where not in reasons:
        problems.append(f"it is on {where}, which is not a node of the cluster")
    elif where and reasons[where]:
        problems.append(f"it must not be on {where}: {reasons[where]}")
    elif not where and allowed:
        problems.append(f"it is on no node, but could be on {', '.join(allowed)}")
    elif not where and not any(event.startswith(PENDING_REASON) for event in events):
        problems.append(f"it is on no node, and no event {PENDING_REASON} gives a reason")
    refused = {node: reason for node, reason in reasons.items() if reason}
    return Placement(name, where, refused, allowed, tuple(problems))


def objection(pod: Object, node: Object, bound: Sequence[Object] = ()) -> str:
    """Why the pod must not be on the node; empty if it may."""
    _must_be_judged(pod)
    if node.get("spec", {}).get("unschedulable"):
        return "the node is unschedulable"
    return unselected(pod, node) or untolerated(pod, node) or _lack(pod, node, bound)


def unselected(pod: Object, node: Object) -> str:
    """Which node selector or required node affinity of the pod excludes the node; empty if none."""
    spec, labels = pod["spec"], node["metadata"].get("labels", {})
    wrong = [
        f"{key} is {labels.get(key, 'not set')}"
        for key, value in (spec.get("nodeSelector") or {}).items()
        if labels.get(key) != value
    ]
    if wrong:
        return f"node selector: {', '.join(wrong)}"
    terms = _required_terms(spec)
    if terms and not any(_fits(term, node) for term in terms):
        return "node affinity: no term matches"
    return ""


def untolerated(pod: Object, node: Object) -> str:
    """The first taint of the node that keeps the pod away; empty if there is none."""
    for taint in node.get("spec", {}).get("taints") or ():
        if taint["effect"] in _HARD and not _tolerated(taint, pod["spec"].get("tolerations") or ()):
            return f"taint: {taint['key']}={taint.get('value', '')}:{taint['effect']}"
    return ""


def _must_be_judged(pod: Object) -> None:
    affinity = pod["spec"].get("affinity") or {}
    beyond = [key for key in ("podAffinity", "podAntiAffinity") if affinity.get(key)]
    beyond += [key for key in ("topologySpreadConstraints",) if pod["spec"].get(key)]
    if beyond:
        raise LabError(f"{pod['metadata']['name']} uses {', '.join(beyond)}, which is not judged")


# -- labels --------------------------------------------------------------------------------


def _required_terms(spec: Object) -> Sequence[Object]:
    rules = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    return tuple(rules.get("nodeSelectorTerms") or ())


def _fits(term: Object, node: Object) -> bool:
    """A term without expressions matches nothing, as in Kubernetes."""
    labels = node["metadata"].get("labels", {})
    fields = {"metadata.name": node["metadata"]["name"]}
    wanted = [(rule, labels) for rule in term.get("matchExpressions") or ()]
    wanted += [(rule, fields) for rule in term.get("matchFields") or ()]
    return bool(wanted) and all(_matches(rule, values) for rule, values in wanted)


def _matches(rule: Object, values: Mapping[str, str]) -> bool:
    value, wanted = values.get(rule["key"]), tuple(rule.get("values") or ())
    match rule["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_number(value) and int(value or 0) > int(wanted[0])
        case "Lt":
            return _is_number(value) and int(value or 0) < int(wanted[0])
        case other:
            raise LabError(f"unknown operator of node affinity: {other}")


def _is_number(text: str | None) -> bool:
    return re.fullmatch(r"-?\d+", text or "") is not None


def _tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    return any(
        toleration.get("effect", "") in ("", taint["effect"])
        and toleration.get("key", "") in ("", taint["key"])
        and (
            toleration.get("operator") == "Exists"
            or (
                toleration.get("key", "") != ""
                and toleration.get("value", "") == taint.get("value", "")
            )
        )
        for toleration in tolerations
    )


# -- resources -----------------------------------------------------------------------------


def quantity(text: str | float) -> Decimal:
    """A Kubernetes quantity, such as 250m or 64Mi, as a number."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise LabError(f"not a quantity: {text!r}")
    return Decimal(found[1]) * _SUFFIXES[found[2]]


def requested(pod: Object, resource: str) -> Decimal:
    """What the scheduler reserves for a pod: the sum of its containers, or its largest init
    container if that is more."""

    def asked(containers: Iterable[Object]) -> list[Decimal]:
        found = []
        for container in containers:
            resources = container.get("resources") or {}
            limit = (resources.get("limits") or {}).get(resource, 0)
            found.append(quantity((resources.get("requests") or {}).get(resource, limit)))
        return found

    spec = pod["spec"]
    running = sum(asked(spec["containers"]), Decimal(0))
    first = max(asked(spec.get("initContainers") or ()), default=Decimal(0))
    return max(running, first) + quantity((spec.get("overhead") or {}).get(resource, 0))


def free(node: Object, resource: str, bound: Iterable[Object]) -> Decimal:
    """The resources of the node that its bound pods leave free."""
    name = node["metadata"]["name"]
    taken = sum(
        (
            requested(pod, resource)
            for pod in bound
            if pod["spec"].get("nodeName") == name
            and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ),
        Decimal(0),
    )
    return quantity(node["status"]["allocatable"][resource]) - taken


def _lack(pod: Object, node: Object, bound: Sequence[Object]) -> str:
    for resource in ("cpu", "memory"):
        wanted = requested(pod, resource)
        if wanted and wanted > free(node, resource, bound):
            return f"not enough {resource}"
    return ""
