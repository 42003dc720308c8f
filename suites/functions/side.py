"""The interface between scenarios and a lab, or processes of this host in native tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from edge_lab.addons.functions.records import Activation, Event, Records
from edge_lab.addons.functions.ways import Way
from edge_lab.oracles.scheduling.clock import ClockBounds
from suites.functions.evidence import Step


@dataclass(frozen=True)
class Memory:
    """The memory of a node at one moment."""

    available_mib: float
    kills: int
    """Number of processes that the kernel killed for lack of memory since the boot."""


class Side(Protocol):
    """Edge nodes with functions, their data, and the faults of the scenarios."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes whose devices wake functions."""
        ...

    @property
    def ways(self) -> tuple[Way, ...]: ...

    def runtime(self, node: str) -> str:
        """The column of the table."""
        ...

    def now(self) -> int:
        """ns since 1970, by the host's clock, which the ground truth uses, too."""
        ...

    # -- data --------------------------------------------------------------------------------

    def events(self, node: str) -> tuple[Event, ...]:
        """All events in the journal of the node's source, and those of storms."""
        ...

    def first_reads(self, node: str) -> tuple[int, ...]:
        """When the node's source had read its device for the first time after each of its starts,
        ns by the node's clock."""
        ...

    def records(self, node: str) -> Records: ...

    def activations(self, node: str) -> tuple[Activation, ...]: ...

    def running(self, node: str) -> frozenset[str]:
        """The ways with a running function, according to the node's process list."""
        ...

    def copies(self) -> tuple[str, ...]:
        """Ids of the events in the cloud."""
        ...

    def steps(self, node: str) -> tuple[Step, ...]:
        """All steps of the device that the node watches, from its ground truth."""
        ...

    def clock(self, node: str) -> ClockBounds: ...

    def memory(self, node: str) -> Memory: ...

    # -- waiting -----------------------------------------------------------------------------

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """Waits for a true result of `probe` and returns it; fails the test at the timeout."""
        ...

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Whether `probe` has a true result before the timeout."""
        ...

    # -- faults ------------------------------------------------------------------------------

    def storm(self, node: str, ways: Sequence[str], count: int) -> None:
        """Publishes `count` events for each of the ways at once; returns when they are stored."""
        ...

    def offline(self) -> AbstractContextManager[None]:
        """Cuts off all nodes from the cloud."""
        ...

    def line(self, profile: str) -> AbstractContextManager[None]:
        """Gives all nodes an uplink with the properties of a profile, such as 3g."""
        ...

    def reset(self) -> None:
        """Cuts the power of all nodes, and waits until they have booted."""
        ...

    def kill_brokers(self) -> None:
        """Kills the brokers of all nodes, and waits until they are restarted."""
        ...

    def kill_activator(self, node: str) -> None:
        """Kills the activator of a node, and waits until it is restarted."""
        ...

    def full_disks(self) -> AbstractContextManager[None]:
        """Fills the disks of all nodes."""
        ...

    def wrong_clock(self, node: str, seconds: float) -> AbstractContextManager[None]:
        """Sets the clock of a node ahead, or back if `seconds` is negative; corrects it
        afterwards."""
        ...

    def no_activators(self) -> AbstractContextManager[None]:
        """Stops the activators, so that nothing wakes functions: the negative control."""
        ...
