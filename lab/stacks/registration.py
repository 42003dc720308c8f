"""Kubelets whose registration was lost.

A kubelet behind yurthub creates its Node object through yurthub. If yurthub has just considered the
API server unreachable, which happens on a host too slow for its heartbeats, it confirms the request
itself. The kubelet does not try again, and its node does not exist until it is restarted (seen
with yurthub 1.7.0 and Kubernetes 1.34.4).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge_lab.cluster.access import ClusterAccess
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.stacks.kubelet import KUBELET_UNIT

LOOK_EVERY = 30.0
"""Seconds between checks of a missing node."""

LOOK_SECONDS = 30.0
"""Time limit of a check in seconds."""

REGISTERED = f"""\
id=$(systemctl show -P InvocationID {KUBELET_UNIT})
journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$id | grep -q 'Successfully registered node' && echo $id
"""
"""Prints the invocation ID of a kubelet that considers its node registered, or nothing."""


@dataclass
class Registrations:
    """Restarts a kubelet that considers its node registered while the API server has no such node.

    It must have considered it registered in one check, and the node must be missing in the next.
    """

    cluster: ClusterAccess
    units: Mapping[str, tuple[str, ...]]
    """By node."""
    deadline: Deadline
    every: float = LOOK_EVERY
    _last: float = field(default_factory=time.monotonic)
    _believes: dict[str, str] = field(default_factory=dict)

    def look(self, missing: Iterable[str]) -> None:
        """`missing` are the nodes that the API server does not have."""
        if time.monotonic() - self._last < self.every:
            return
        believed, self._believes = self._believes, {}
        for node in missing:
            if KUBELET_UNIT not in self.units.get(node, ()):
                continue
            start = self._run(node, REGISTERED)
            if start and believed.get(node) == start:
                with step(f"{node} is not registered: restarting its kubelet"):
                    self._run(node, f"systemctl restart {KUBELET_UNIT}")
            elif start:
                self._believes[node] = start
        self._last = time.monotonic()

    def _run(self, node: str, command: str) -> str:
        try:
            machine = self.cluster.machines[node]
            limit = self.deadline.within(LOOK_SECONDS)
            return machine.run(command, limit, check=False).stdout.strip()
        except LabError:
            return ""  # A machine that is too busy to answer is checked again later.
