"""When a lab counts as up, what is watched meanwhile, and what a restored lab waits for."""

from __future__ import annotations

from collections.abc import Callable

from edge_lab.cluster.access import ClusterAccess
from edge_lab.core.deadline import Deadline
from edge_lab.handle.lab import Lab
from edge_lab.machines.console import Fatal


def cluster_access(lab: Lab, watch: Callable[[], None] | None = None) -> ClusterAccess:
    """The cluster of `lab` for code that waits for it; an error of `watch` ends the wait.

    By default `watch` raises for a panic on a console.  While machines boot, another one is
    needed, since a machine that panics then is restarted once.
    """
    return ClusterAccess(lab.kubectl, lab.machines, lab.topology, watch or panic_watch(lab))


def panic_watch(lab: Lab) -> Callable[[], None]:
    """A `watch` that raises MachineDied if a kernel has panicked since this call."""
    marks = {name: machine.console.mark() for name, machine in lab.machines.items()}

    def watch() -> None:
        for name, machine in lab.machines.items():
            machine.console.check(marks[name], frozenset({Fatal.PANIC}))

    return watch


def wait_lab_ready(lab: Lab, deadline: Deadline) -> None:
    """Waits until a restored lab is as ready as after a cold start."""
    lab.platform.wait_ready(cluster_access(lab), deadline)
