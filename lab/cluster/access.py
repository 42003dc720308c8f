"""Access to a running cluster, for code that waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Topology


class CommandOutput(Protocol):
    """What `MachineAccess.run` returns."""

    @property
    def returncode(self) -> int: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class MachineAccess(Protocol):
    """The part of a machine that readiness needs."""

    def run(self, command: str, deadline: Deadline, check: bool = True) -> CommandOutput:
        """Runs a shell command in the guest, over the management path."""
        ...


@dataclass(frozen=True)
class ClusterAccess:
    """A running cluster: kubectl, machines, topology."""

    kubectl: Kubectl
    machines: Mapping[str, MachineAccess]
    topology: Topology
    watch: Callable[[], None] = lambda: None
    """Called repeatedly while waiting; raises if a machine is lost (a panic)."""
