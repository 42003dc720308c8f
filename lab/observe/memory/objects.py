"""Reads pods, events and quantities of memory from objects of the API server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edge_lab.cluster.objects import container_statuses, pod_ready, restart_counts
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import ClusterEvent, ContainerEnd, PodMemory

_UNITS: Mapping[str, float] = {
    "": 1,
    "m": 1e-3,
    **{unit: 1000**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][0-9]{1,2})?)([kKMGTPEm]?i?)")


def quantity_mib(text: str) -> float:
    """MiB of a Kubernetes quantity of bytes; LabError if it is invalid."""
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise LabError(f"{text!r} is not a quantity of memory")
    return float(found[1]) * _UNITS[found[2]] / (1 << 20)


def pod_memory(pod: Mapping[str, Any]) -> PodMemory:
    """The memory settings and the state of a Pod object."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    requests = (
        container.get("resources", {}).get("requests", {}).get("memory", "0")
        for container in spec.get("containers", ())
    )
    return PodMemory(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        qos=status.get("qosClass", ""),
        priority=spec.get("priority") or 0,
        request_mib=sum(quantity_mib(str(amount)) for amount in requests),
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        ready=pod_ready(pod),
        restarts=sum(restart_counts(pod).values()),
        ends=tuple(_ends(pod)),
    )


def _ends(pod: Mapping[str, Any]) -> list[ContainerEnd]:
    found = []
    for status in container_statuses(pod):
        for state in ("lastState", "state"):
            ended = (status.get(state) or {}).get("terminated")
            if ended:
                found.append(
                    ContainerEnd(
                        container=status["name"],
                        reason=ended.get("reason") or "",
                        exit_code=ended.get("exitCode", 0),
                    )
                )
    return found


def cluster_event(event: Mapping[str, Any]) -> ClusterEvent:
    """An Event object; the name of a pod includes its namespace."""
    about = event.get("involvedObject") or {}
    name, kind = about.get("name", ""), about.get("kind", "")
    return ClusterEvent(
        kind=kind,
        name=f"{about.get('namespace', '')}/{name}" if kind == "Pod" else name,
        reason=event.get("reason") or "",
        message=event.get("message") or "",
        time=_time_of(event),
    )


def _time_of(event: Mapping[str, Any]) -> int:
    """ns since 1970 of the last time that it happened; 0 if it has no time."""
    series = event.get("series") or {}
    said = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    try:
        return round(datetime.fromisoformat(str(said)).timestamp()) * 1_000_000_000
    except ValueError:
        return 0
