"""What the scenarios need of whatever they are played on: a lab, or processes of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from edge_lab.addons.gitops.client import Pushed
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.witness import Run


class Side(Protocol):
    """A fleet, its repository, and what can be done to them."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The edge nodes."""
        ...

    def runtime(self, node: str) -> str:
        """The column of the table."""
        ...

    def name(self) -> str:
        """Of a revision that there was not before."""
        ...

    def now(self) -> float: ...

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        """Commits and pushes as the author."""
        ...

    def runs(self, node: str) -> tuple[Run, ...]:
        """What the witness of a node has seen, whether the node is in reach or not."""
        ...

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object of the fleet's namespace."""
        ...

    def pods(self, part: str) -> list[dict[str, Any]]: ...

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """As somebody does by hand."""
        ...

    def ready(self, node: str) -> bool:
        """Whether the API server holds it for Ready."""
        ...

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """Fails the test if it does not come."""
        ...

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Whether it comes in time."""
        ...

    def cut(self, node: str) -> AbstractContextManager[None]:
        """The node is out of reach of the cloud."""
        ...

    def silent_git(self) -> AbstractContextManager[None]:
        """The Git server accepts, and says nothing."""
        ...

    def kill_applier(self) -> None:
        """kustomize-controller is killed; something starts it again."""
        ...

    def end_process(self, node: str, part: str) -> None:
        """The process of a part on a node is killed, on the node."""
        ...

    def received(self, node: str) -> int | None:
        """Bytes that a node has received by its uplink; None if nobody counts."""
        ...
