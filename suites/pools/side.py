"""The interface between scenarios and a lab, or processes of this host in native tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from edge_lab.addons.witness import Run


class Side(Protocol):
    """Edge nodes in pools, their cloud, and the faults of the scenarios."""

    @property
    def pools(self) -> Mapping[str, tuple[str, ...]]:
        """By pool, its nodes according to the topology."""
        ...

    def runtime(self, node: str) -> str:
        """Column in the table."""
        ...

    def name(self) -> str:
        """A new name for a configuration."""
        ...

    def now(self) -> float:
        """Seconds since 1970, by the host's clock."""
        ...

    # -- data --------------------------------------------------------------------------------

    def runs(self, node: str) -> tuple[Run, ...]:
        """The records of a node's witness, whether the node is reachable or not."""
        ...

    def members(self, pool: str) -> frozenset[str]:
        """The nodes in the status of a pool."""
        ...

    def labels(self, node: str) -> Mapping[str, str]:
        """The labels of a node in the API server."""
        ...

    def ready(self, node: str) -> bool:
        """Whether the API server shows it as Ready."""
        ...

    def pods(self) -> list[dict[str, Any]]:
        """All pods of the workload in the API server."""
        ...

    def given(self, node: str, service: str) -> frozenset[str]:
        """The addresses of the endpoints of a Service that a node is given."""
        ...

    # -- what people do ----------------------------------------------------------------------

    def configure(self, tweaks: Sequence[Mapping[str, Any]]) -> None:
        """Changes the tweaks of the YurtAppSet."""
        ...

    def move(self, node: str, pool: str) -> None:
        """Changes the pool of a node in the cloud."""
        ...

    def set_hub_pool(self, node: str, pool: str) -> None:
        """Restarts yurthub of a node with the name of that pool, unless it has it already."""
        ...

    # -- waiting -----------------------------------------------------------------------------

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """Waits for a true result of `probe` and returns it; fails the test at the timeout."""
        ...

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Whether `probe` has a true result before the timeout."""
        ...

    # -- faults ------------------------------------------------------------------------------

    def offline(self, nodes: Sequence[str]) -> AbstractContextManager[None]:
        """Cuts off these nodes from the cloud."""
        ...

    def reset(self, nodes: Sequence[str]) -> None:
        """Cuts the power of these nodes, and waits until they have booted."""
        ...
