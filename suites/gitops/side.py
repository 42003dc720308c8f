"""The environment of the scenarios: a lab, or processes of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from edge_lab.addons.gitops.client import Pushed
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.witness import Run


class Side(Protocol):
    """A fleet, its repository, and operations on them."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The edge nodes."""
        ...

    def runtime(self, node: str) -> str:
        """Column in the table."""
        ...

    def name(self) -> str:
        """A new name for a revision."""
        ...

    def now(self) -> float: ...

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        """Commits and pushes as the author."""
        ...

    def runs(self, node: str) -> tuple[Run, ...]:
        """The records of a node's witness, whether the node is reachable or not."""
        ...

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object of the fleet's namespace."""
        ...

    def pods(self, part: str) -> list[dict[str, Any]]: ...

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Changes an object by hand; returns it as the API server has stored it."""
        ...

    def ready(self, node: str) -> bool:
        """Whether the API server shows it as Ready."""
        ...

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """Waits, and fails the test at the timeout."""
        ...

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Waits, and returns whether it was in time."""
        ...

    def cut(self, node: str) -> AbstractContextManager[None]:
        """Cuts the node off from the cloud."""
        ...

    def silent_git(self) -> AbstractContextManager[None]:
        """The Git server accepts connections, but does not answer."""
        ...

    def kill(self, controller: str) -> float:
        """Kills a controller of Flux, which is started again. Returns a time between its end and
        its new start, by the clock of the server, which is also that of Flux and of the API
        server."""
        ...

    def end_process(self, node: str, part: str) -> None:
        """Kills the process of a part on a node."""
        ...

    def reset(self, node: str) -> None:
        """Resets the node, and returns when it has booted."""
        ...

    def received(self, node: str) -> int | None:
        """Bytes that a node received over its uplink; None if they are not counted."""
        ...
