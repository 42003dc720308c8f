"""When a lab counts as up: what is watched meanwhile, and what a restored lab waits for."""

from __future__ import annotations

from collections.abc import Callable

from edge_lab.cluster.access import ClusterAccess
from edge_lab.core.deadline import Deadline
from edge_lab.handle.lab import Lab
from edge_lab.machines.console import Fatal


def cluster_access(lab: Lab, watch: Callable[[], None] | None = None) -> ClusterAccess:
    """The cluster of `lab` for whoever waits for it; what `watch` raises ends the wait.

    By default that is a panic on a console.  While machines boot it is another thing, for
    one that panics then is started once more.
    """
    return ClusterAccess(lab.kubectl, lab.machines, lab.topology, watch or panic_watch(lab))


def panic_watch(lab: Lab) -> Callable[[], None]:
    """Raises MachineDied when a kernel has panicked since this call."""
    marks = {name: machine.console.mark() for name, machine in lab.machines.items()}

    def watch() -> None:
        for name, machine in lab.machines.items():
            machine.console.check(marks[name], frozenset({Fatal.PANIC}))

    return watch


def wait_lab_ready(lab: Lab, deadline: Deadline) -> None:
    """Until a lab that was restored is as ready as it was when it had been booted."""
    lab.platform.wait_ready(cluster_access(lab), deadline)
