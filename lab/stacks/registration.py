"""Kubelets that registered with nobody.

A kubelet behind yurthub asks yurthub to make its Node object. When yurthub has just taken the API
server for silent, as it does on a host too slow for its heartbeats, it answers for it: yes. The
kubelet never asks again, and its node does not exist until it is started anew (seen with
yurthub 1.7.0 and Kubernetes 1.34.4).
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
"""Seconds between two looks at a node that is missing."""

LOOK_SECONDS = 30.0
"""The most that one look takes."""

REGISTERED = f"""\
id=$(systemctl show -P InvocationID {KUBELET_UNIT})
journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$id | grep -q 'Successfully registered node' && echo $id
"""
"""Says which start of the kubelet believes that its node is registered; nothing if none does."""


@dataclass
class Registrations:
    """Starts a kubelet anew that believes to be registered while the API server knows no such node.

    It must have believed so at one look, and its node must still be missing at the next.
    """

    cluster: ClusterAccess
    units: Mapping[str, tuple[str, ...]]
    """By node."""
    deadline: Deadline
    every: float = LOOK_EVERY
    _last: float = field(default_factory=time.monotonic)
    _believes: dict[str, str] = field(default_factory=dict)

    def look(self, missing: Iterable[str]) -> None:
        """`missing` are the nodes that the API server did not know just now."""
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
            return ""  # A machine too busy to answer is asked again.
