"""The memory of pods, each measured when it becomes Ready."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import LabError
from edge_lab.faults.limits import TimeLimit
from edge_lab.observe.memory.files import Snapshot, parse_snapshot
from edge_lab.observe.memory.script import snapshot
from edge_lab.provisioning.cri import cri_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LOOK_SECONDS = 60.0


def pod_bytes(seen: Snapshot, namespace: str = NAMESPACE) -> dict[str, int]:
    """By uid of each pod of the namespace, the memory of its processes that cannot be reclaimed.
    Excludes the page cache, most of which is shared by pods."""
    of_namespace = {uid for uid, name in seen.pods.items() if name.startswith(f"{namespace}/")}
    return {
        group.pod: group.processes
        for group in seen.groups.values()
        if group.is_pod and group.pod in of_namespace
    }


class NewPodMemory:
    """Reads one node before and after each pod, and measures the new one."""

    def __init__(self, lab: Lab, node: str, limit: TimeLimit) -> None:
        self._lab = lab
        self._node = node
        self._limit = limit
        self.found: dict[str, list[int]] = {}
        """By condition, bytes of each pod, in order."""

    def around(self, condition: str) -> Callable[[], AbstractContextManager[None]]:
        """For `Planned.around`: encloses one pod, from before its creation until it is Ready."""
        return lambda: self._around(condition)

    @contextlib.contextmanager
    def _around(self, condition: str) -> Iterator[None]:
        before = self._look()
        yield
        come = {uid: used for uid, used in self._look().items() if uid not in before}
        if len(come) != 1:
            raise LabError(f"no evidence: {len(come)} pods have come to {self._node}, and not one")
        self.found.setdefault(condition, []).extend(come.values())

    def _look(self) -> dict[str, int]:
        machine = self._lab.machines[self._node]
        script = snapshot(cri_of(self._lab.topology.node(self._node)))
        return pod_bytes(parse_snapshot(machine.run(script, self._limit(LOOK_SECONDS)).stdout))
