"""What the scenarios need of whatever they are played on: a lab, or processes of this host."""

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
    """Of a node, at one moment."""

    available_mib: float
    kills: int
    """Processes that the kernel has killed for want of memory since the boot."""


class Side(Protocol):
    """Edge nodes with functions, and what can be done to them."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Those whose devices wake functions."""
        ...

    @property
    def ways(self) -> tuple[Way, ...]: ...

    def runtime(self, node: str) -> str:
        """The column of the table."""
        ...

    def now(self) -> int:
        """ns since 1970, by the host's clock, which is that of the ground truth."""
        ...

    # -- what there is -----------------------------------------------------------------------

    def events(self, node: str) -> tuple[Event, ...]:
        """All that crossed a limit, by the source of the node, and those of storms."""
        ...

    def records(self, node: str) -> Records: ...

    def activations(self, node: str) -> tuple[Activation, ...]: ...

    def running(self, node: str) -> frozenset[str]:
        """The ways of which a function's process runs, by the node's own processes."""
        ...

    def copies(self) -> tuple[str, ...]:
        """Ids of the events that are in the cloud."""
        ...

    def steps(self, node: str) -> tuple[Step, ...]:
        """All steps of the device that the node watches, by its ground truth."""
        ...

    def clock(self, node: str) -> ClockBounds: ...

    def memory(self, node: str) -> Memory: ...

    # -- waiting -----------------------------------------------------------------------------

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """Fails the test if it does not come."""
        ...

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Whether it comes in time."""
        ...

    # -- faults ------------------------------------------------------------------------------

    def storm(self, node: str, ways: Sequence[str], count: int) -> None:
        """So many events for each of the ways, at once; returns when the broker has them."""
        ...

    def offline(self) -> AbstractContextManager[None]:
        """All nodes are out of reach of the cloud."""
        ...

    def reset(self) -> None:
        """All nodes lose their power and boot again."""
        ...

    def kill_brokers(self) -> None:
        """The nodes' brokers are killed; something starts them again."""
        ...

    def full_disks(self) -> AbstractContextManager[None]:
        """Nothing can be written on the nodes."""
        ...

    def no_activators(self) -> AbstractContextManager[None]:
        """Nothing wakes functions: what shows that a verdict can be red."""
        ...
