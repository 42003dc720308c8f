"""Queries to a recorder while a node cannot reach the API server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.core.step import step
from edge_lab.evidence.recording import NodeAnswered, NodeSeen
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.recorder import Recorder
from edge_lab.observe.watch import Watch
from suites.edges import edges, until_lost, uplink

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

PODS_BACK_SECONDS = 120.0
"""Seconds from the boot of an offline node until its pods run."""


def boot_id_of(recorder: Recorder, node: str) -> str:
    """The kernel's boot id; empty while the node does not answer."""
    seen = recorder.newest(NodeAnswered, node)
    return seen.boot if seen is not None and seen.answered else ""


def running_on(recorder: Recorder, node: str) -> frozenset[str]:
    """The pods that the node's container runtime runs, by name."""
    return frozenset(seen.pod for seen in recorder.containers(node) if seen.running)


def run_since_reboot(recorder: Recorder, node: str, before: str, pods: frozenset[str]) -> bool:
    """Whether the node has rebooted since `before`, and runs these pods."""
    return boot_id_of(recorder, node) not in ("", before) and pods <= running_on(recorder, node)


def unhealthy_nodes(lab: Lab, watch: Watch, limit: Deadline) -> list[str]:
    """The edge nodes that are not healthy at the end of `limit`; returns early when all are."""
    return [node for node in edges(lab) if not seen_in_time(limit, partial(watch.is_well, node))]


def hold_until_lost(lab: Lab, watch: Watch) -> None:
    """Leaves the lab as it is until all edge nodes are marked lost, or should be."""

    def lost(node: str) -> bool:
        seen = watch.recorder.newest(NodeSeen, node)
        return seen is not None and seen.ready != "True"

    with step("hold until the nodes are lost"):
        seen_in_time(Deadline.after(until_lost(lab)), lambda: all(map(lost, edges(lab))))


def missing_after_reboot(
    lab: Lab,
    faults: FaultEngine,
    recorder: Recorder,
    time_limit: TimeLimit,
    *,
    offline: Callable[[], None] = lambda: None,
) -> list[str]:
    """Cuts all edge nodes off, resets them, and waits for their pods before the heal.

    Calls `offline` directly before the heal. Returns the nodes on which not all pods that ran
    before run again in time.
    """
    before = {node: boot_id_of(recorder, node) for node in edges(lab)}
    ran = {node: running_on(recorder, node) for node in edges(lab)}
    with faults.inflict_all([Cut(link=uplink(lab, node)) for node in edges(lab)]):
        with faults.inflict_all([Reboot(node=node) for node in edges(lab)]):
            pass  # healed when they are up again
        limit = time_limit(PODS_BACK_SECONDS)
        away = [
            node
            for node in edges(lab)
            if not seen_in_time(
                limit, partial(run_since_reboot, recorder, node, before[node], ran[node])
            )
        ]
        offline()
        return away


def seen_in_time(limit: Deadline, probe: Callable[[], bool]) -> bool:
    """Waits, and returns whether it was seen; what is missing is judged at the end."""
    with contextlib.suppress(DeadlineExceeded):
        return limit.wait_for("the expected state", probe)
    return False
