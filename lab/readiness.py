"""When a lab counts as up: the same whether it was booted or restored."""

from __future__ import annotations

from collections.abc import Callable

from lab.deadline import Deadline
from lab.machines.console import Fatal
from lab.running import Lab
from lab.stacks import ClusterAccess
from lab.step import step


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


def wait_lab_ready(
    lab: Lab, deadline: Deadline, *, restored: bool, watch: Callable[[], None] | None = None
) -> None:
    """Until the stack is ready and the workload's pods run. `watch` as in `cluster_access`."""
    cluster = cluster_access(lab, watch)
    with step(f"stack {lab.stack_name}"):
        lab.stack.wait_ready(cluster, deadline, restored=restored)
    with step("workload"):
        lab.workload.wait_ready(deadline)
