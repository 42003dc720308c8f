"""The suite's scenarios on processes of this host, with hollow nodes."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_lab.addons.gitops.client import Pushed
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.names import GIT_SERVER, NAMESPACE
from edge_lab.addons.witness import PART_LABEL, Run
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import node_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from tests.addons.gitops.hollow import HollowNode
from tests.addons.gitops.site import Site

SECONDS = 120.0
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class NativeSide:
    """suites.gitops.side.Side."""

    site: Site
    hollow: Mapping[str, HollowNode]
    trace: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self.hollow)

    def runtime(self, node: str) -> str:
        return "native"

    def name(self) -> str:
        return f"r{next(_NUMBERS)}"

    def now(self) -> float:
        return time.time()

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        return self.site.author.push(revisions, Deadline.scaled(SECONDS), each=each)

    def runs(self, node: str) -> tuple[Run, ...]:
        return self.hollow[node].runs()

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.site.find(kind, name)

    def pods(self, part: str) -> list[dict[str, Any]]:
        words = ("pods", "-n", NAMESPACE, "-l", f"{PART_LABEL}={part}")
        return self.site.plane.kubectl.items(*words, deadline=Deadline.scaled(SECONDS))

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        words = (kind, name, "-n", NAMESPACE)
        limit = Deadline.scaled(SECONDS)
        return self.site.plane.kubectl.patch(*words, patch=patch, deadline=limit)

    def ready(self, node: str) -> bool:
        found = self.site.plane.kubectl.find("node", node, deadline=Deadline.scaled(SECONDS))
        return found is not None and node_ready(found)

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        return self.site.until(what, probe, seconds)

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        with contextlib.suppress(DeadlineExceeded):
            limit = Deadline.after(seconds)
            watch = self.site.watch
            limit.wait_for("it", probe, every=0.3, transient=NOT_YET, watch=watch)
            return True
        return False

    @contextlib.contextmanager
    def cut(self, node: str) -> Iterator[None]:
        self.hollow[node].reachable.clear()
        try:
            yield
        finally:
            self.hollow[node].reachable.set()

    @contextlib.contextmanager
    def silent_git(self) -> Iterator[None]:
        with self.site.silent(GIT_SERVER):
            yield

    def kill(self, controller: str) -> float:
        self.site.kill(controller)
        ended = time.time()
        self.site.start(controller)
        return ended

    def end_process(self, node: str, part: str) -> None:
        self.hollow[node].end_process(part)

    def reset(self, node: str) -> None:
        for part in {run.part for run in self.runs(node) if run.ended is None}:
            self.end_process(node, part)

    def received(self, node: str) -> int | None:
        return None
