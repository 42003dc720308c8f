"""A lab, as the scenarios need it."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from edge_lab.addons.gitops.client import Pushed, author_on
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.identities import CONTROLLERS
from edge_lab.addons.gitops.names import GIT_UNIT, NAMESPACE, STATE
from edge_lab.addons.gitops.place import Place, place_of
from edge_lab.addons.witness import PART_LABEL, Run, log_path, parse_runs
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.errors import LabError
from edge_lab.faults.kinds import Cut, Freeze, Kill, Reboot
from edge_lab.observe.sandboxes import runtime_column
from suites.edges import edges, is_ready, uplink
from suites.waiting import WaitingSide

ASK_SECONDS = 120.0
PUSH_SECONDS = 300.0
"""Seconds for a push of some commits on an emulated server."""


@dataclass(frozen=True)
class LabSide(WaitingSide):
    """suites.gitops.side.Side."""

    every_seconds: ClassVar[float] = 1.0
    transient: ClassVar[tuple[type[Exception], ...]] = NOT_YET

    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _session: str = field(default_factory=lambda: f"{int(time.time()) % 0x100000:05x}")

    @property
    def place(self) -> Place:
        return place_of(self.lab.topology)

    @property
    def server(self) -> str:
        return self.lab.topology.server.name

    @property
    def nodes(self) -> tuple[str, ...]:
        return edges(self.lab)

    def runtime(self, node: str) -> str:
        return runtime_column(self.lab, node)

    def name(self) -> str:
        """Witnesses keep the records of earlier sessions."""
        return f"r{self._session}-{next(self._numbers)}"

    def now(self) -> float:
        return time.time()

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        author = author_on(self.lab.machine(self.server), self.place)
        return author.push(revisions, self.limit(PUSH_SECONDS), each=each)

    def runs(self, node: str) -> tuple[Run, ...]:
        """Over the management path."""
        command = f"tr -d '\\000' <{log_path(STATE)}"
        done = self.lab.machine(node).run(command, self.limit(ASK_SECONDS))
        return parse_runs(done.stdout)

    # -- the cluster -----------------------------------------------------------------------

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.lab.kubectl.find(kind, name, "-n", NAMESPACE, deadline=self.limit(ASK_SECONDS))

    def pods(self, part: str) -> list[dict[str, Any]]:
        words = ("pods", "-n", NAMESPACE, "-l", f"{PART_LABEL}={part}")
        return self.lab.kubectl.items(*words, deadline=self.limit(ASK_SECONDS))

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        words = (kind, name, "-n", NAMESPACE)
        return self.lab.kubectl.patch(*words, patch=patch, deadline=self.limit(ASK_SECONDS))

    def ready(self, node: str) -> bool:
        return is_ready(self.lab, node, self.limit)

    # -- faults ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def cut(self, node: str) -> Iterator[None]:
        with self.faults.inflict(Cut(link=uplink(self.lab, node))):
            yield

    @contextlib.contextmanager
    def silent_git(self) -> Iterator[None]:
        with self.faults.inflict(Freeze(node=self.server, service=GIT_UNIT)):
            yield

    def kill(self, controller: str) -> float:
        unit = CONTROLLERS[controller]
        with self.faults.inflict(Kill(node=self.server, service=unit)):
            pass  # healed when systemd has restarted it
        command = f"systemctl show -p ExecMainStartTimestamp --value --timestamp=us+utc {unit}"
        return started_at(
            self.lab.machine(self.server).run(command, self.limit(ASK_SECONDS)).stdout
        )

    def end_process(self, node: str, part: str) -> None:
        """Kills the process that the witness saw last."""
        running = [run for run in self.runs(node) if run.part == part and run.ended is None]
        pid = running[-1].process.partition("/")[0]
        self.lab.machine(node).run(f"kill -KILL {int(pid)}", self.limit(ASK_SECONDS))

    def reset(self, node: str) -> None:
        with self.faults.inflict(Reboot(node=node)):
            pass  # healed when it is up again

    def received(self, node: str) -> int | None:
        return self.lab.fabric.link(uplink(self.lab, node)).counters.rx.bytes


def started_at(said: str) -> float:
    """Seconds since 1970, from what systemd prints, like `Mon 2026-11-30 21:04:32.123456 UTC`."""
    _, _, text = said.strip().removesuffix(" UTC").partition(" ")
    try:
        return datetime.fromisoformat(f"{text}+00:00").timestamp()
    except ValueError as trouble:
        raise LabError(f"systemd does not say when a unit was started: {said!r}") from trouble
