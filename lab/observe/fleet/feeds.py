"""Watches hollow nodes through the API server during a test: readiness, lease renewals, evictions.
Times are those of receipt on the host, ns since 1970."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from edge_lab.cluster.objects import condition
from edge_lab.evidence.fleet import Eviction
from edge_lab.observe.following import Follower, Stamp

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl


DISRUPTION = "DisruptionTarget"
"""The condition of a pod that the control plane is about to delete, with the reason
(kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions)."""


class Readiness(Follower):
    """Watches the nodes that a label selects."""

    def __init__(self, kubectl: Kubectl, label: str) -> None:
        super().__init__(kubectl, "nodes", "-l", label)
        self._ready: dict[str, bool] = {}
        self._since: dict[str, int] = {}
        self._tainted: dict[str, int] = {}
        self._untainted: dict[str, int] = {}
        self._lost: dict[str, int] = {}

    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        name = item["metadata"]["name"]
        if event == "DELETED":
            self._ready.pop(name, None)
            self._since.pop(name, None)
            self._tainted.pop(name, None)
            self._untainted.pop(name, None)
            return
        if any(
            taint["effect"] == "NoExecute" for taint in item.get("spec", {}).get("taints") or ()
        ):
            if self._untainted.pop(name, None) is not None or name not in self._tainted:
                self._tainted[name] = at.wall
        else:
            self._untainted.setdefault(name, at.wall)
        ready = condition(dict(item), "Ready") == "True"
        before = self._ready.get(name)
        if ready is not before:
            self._ready[name], self._since[name] = ready, at.wall
        if before and not ready:
            self._lost[name] = at.wall

    def ready(self) -> frozenset[str]:
        """The nodes that are Ready now."""
        with self._lock:
            return frozenset(name for name, ready in self._ready.items() if ready)

    def forget(self, names: Iterable[str]) -> None:
        """Forgets these nodes until they are seen again."""
        with self._lock:
            for name in names:
                self._ready.pop(name, None)

    def ready_since(self) -> dict[str, int]:
        with self._lock:
            return {name: self._since[name] for name, ready in self._ready.items() if ready}

    def tainted_at(self) -> dict[str, int]:
        """By node, when it was last seen to get a taint that evicts (NoExecute)."""
        with self._lock:
            return dict(self._tainted)

    def untainted_since(self) -> dict[str, int]:
        """By node without a taint that evicts (NoExecute), since when it has had none."""
        with self._lock:
            return dict(self._untainted)

    def lost_since(self, moment: int) -> tuple[str, ...]:
        """The nodes that have stopped being Ready since."""
        with self._lock:
            return tuple(sorted(name for name, when in self._lost.items() if when >= moment))


class Renewals(Follower):
    """Watches the leases of nodes."""

    def __init__(self, kubectl: Kubectl) -> None:
        super().__init__(kubectl, "leases", "-n", "kube-node-lease")
        self._first: dict[str, int] = {}
        self._known: dict[str, str] = {}

    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        name, renewed = item["metadata"]["name"], str(item["spec"].get("renewTime", ""))
        before = self._known.get(name)
        self._known[name] = renewed
        if event != "DELETED" and before is not None and renewed != before:
            self._first.setdefault(name, at.wall)

    def known(self) -> frozenset[str]:
        """Nodes whose lease has been seen."""
        with self._lock:
            return frozenset(self._known)

    def begin(self) -> None:
        """Counts from now on; earlier renewals do not count."""
        with self._lock:
            self._first.clear()

    def first(self) -> dict[str, int]:
        """By node, when its first renewal was seen."""
        with self._lock:
            return dict(self._first)


class Evictions(Follower):
    """Watches the pods of a namespace that are marked for deletion."""

    def __init__(self, kubectl: Kubectl, namespace: str, is_counted: Callable[[str], bool]) -> None:
        """`is_counted` by the name of a pod's node."""
        super().__init__(kubectl, "pods", "-n", namespace)
        self._is_counted = is_counted
        self._seen: dict[str, Eviction] = {}
        self._known: set[str] = set()

    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        name, node = item["metadata"]["name"], item["spec"].get("nodeName", "")
        self._known.add(name)
        going = event == "DELETED" or "deletionTimestamp" in item["metadata"]
        if going and self._is_counted(node):
            self._seen.setdefault(name, _eviction(name, node, item, at))

    def known(self) -> frozenset[str]:
        """The pods seen."""
        with self._lock:
            return frozenset(self._known)

    def seen(self) -> tuple[Eviction, ...]:
        with self._lock:
            return tuple(self._seen.values())


def _eviction(pod: str, node: str, item: Mapping[str, Any], at: Stamp) -> Eviction:
    """The decision is a condition of the pod, written just before it is marked for deletion."""
    conditions = item.get("status", {}).get("conditions") or ()
    said: Mapping[str, str] = next(
        (each for each in conditions if each["type"] == DISRUPTION and each["status"] == "True"), {}
    )
    decided = said.get("lastTransitionTime")
    return Eviction(
        pod=pod,
        node=node,
        time=at.wall,
        decided=round(datetime.fromisoformat(decided).timestamp() * 1e9) if decided else None,
        reason=said.get("reason", ""),
    )
