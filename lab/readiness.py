"""When a lab counts as up: the same whether it was booted or restored."""

from __future__ import annotations

from lab.deadline import Deadline
from lab.machines.console import Fatal
from lab.running import Lab
from lab.stacks import ClusterAccess
from lab.step import step


def wait_lab_ready(lab: Lab, deadline: Deadline, *, restored: bool) -> None:
    """Until the stack is ready and the workload's pods run; a panic ends the wait at once."""
    marks = {name: machine.console.mark() for name, machine in lab.machines.items()}

    def watch() -> None:
        for name, machine in lab.machines.items():
            machine.console.check(marks[name], frozenset({Fatal.PANIC}))

    cluster = ClusterAccess(lab.kubectl, lab.machines, lab.topology, watch)
    with step(f"stack {lab.stack_name}"):
        lab.stack.wait_ready(cluster, deadline, restored=restored)
    with step("workload"):
        lab.workload.wait_ready(deadline)
