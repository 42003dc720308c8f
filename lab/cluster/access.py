"""A running cluster, as whoever waits for it sees it."""

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
    """As much of a machine as readiness needs."""

    def run(self, command: str, deadline: Deadline, check: bool = True) -> CommandOutput:
        """Runs a shell command in the guest, by the management path."""
        ...


@dataclass(frozen=True)
class ClusterAccess:
    """A running cluster, as `wait_ready` sees it."""

    kubectl: Kubectl
    machines: Mapping[str, MachineAccess]
    topology: Topology
    watch: Callable[[], None] = lambda: None
    """Called again and again while waiting; raises when a machine is lost (a panic)."""
