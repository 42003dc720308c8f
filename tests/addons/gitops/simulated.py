"""A fleet, its repository and Flux without processes, by a clock of their own, for tests of the
suite's scenarios."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edge_lab.addons.gitops.client import Pushed
from edge_lab.addons.gitops.fleet import Fault, Revision, revision_of
from edge_lab.addons.gitops.names import KUSTOMIZE_CONTROLLER, SOURCE_CONTROLLER
from edge_lab.addons.witness import Run
from edge_lab.core.yamltext import yaml_document
from tests.addons.gitops.verdicts import START

STARTED_SECONDS = 3.0
"""From the start of a controller until it works."""


def _shown(time: float) -> str:
    """As the API server shows it: in whole seconds."""
    return datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class SimulatedSide:
    """suites.gitops.side.Side: what a commit leads to is done when the clock has come to it."""

    kill_seconds: float = 1.0
    """How long it takes until the signal is sent."""
    fetch_seconds: float = 5.0
    apply_seconds: float = 10.0
    applies: bool = True
    takes_patches: bool = True
    """Whether the API server does what a patch says."""
    nodes: tuple[str, ...] = ("edge-arm",)
    commits: int = 0
    _time: float = START
    _due: dict[str, float] = field(default_factory=dict)
    """By controller, when it has done its work on the last commit."""
    _newest: Revision | None = None
    _fetched: tuple[str, float] = ("", START)
    _applied: str = ""
    _objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _runs: list[Run] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def runtime(self, node: str) -> str:
        return "simulated"

    def name(self) -> str:
        return f"r{next(self._names)}"

    def now(self) -> float:
        return self._time

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        self._newest = revisions[-1]
        self.commits += 1
        self._due = {SOURCE_CONTROLLER: self._time + self.fetch_seconds}
        return (Pushed(f"commit-{self.commits}", self._time, len(revisions)),)

    def runs(self, node: str) -> tuple[Run, ...]:
        return tuple(self._runs)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        if kind == "gitrepository":
            commit, time = self._fetched
            artifact = {"revision": f"main@sha1:{commit}", "lastUpdateTime": _shown(time)}
            return {"status": {"artifact": artifact}}
        if kind == "kustomization":
            return {"status": {"lastAppliedRevision": self._applied}}
        return self._objects.get((kind, name))

    def pods(self, part: str) -> list[dict[str, Any]]:
        return []

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        found = self._objects[kind, name]
        if self.takes_patches:
            metadata = {**found["metadata"], "generation": found["metadata"]["generation"] + 1}
            self._objects[kind, name] = {**found, **patch, "metadata": metadata}
            self._due = {KUSTOMIZE_CONTROLLER: self._time + self.apply_seconds}
        answer = self._objects[kind, name]
        self._go_on(1.0)
        return answer

    def ready(self, node: str) -> bool:
        return True

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        assert self.seen(probe, seconds), what

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        end = self._time + seconds
        while not probe():
            if self._time >= end:
                return False
            self._go_on(1.0)
        return True

    @contextlib.contextmanager
    def cut(self, node: str) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def silent_git(self) -> Iterator[None]:
        yield

    def kill(self, controller: str) -> float:
        self._go_on(self.kill_seconds)
        started = self._time
        if controller in self._due:
            self._due[controller] = started + STARTED_SECONDS
        return started

    def end_process(self, node: str, part: str) -> None: ...

    def reset(self, node: str) -> None: ...

    def received(self, node: str) -> int | None:
        return None

    # -- Flux --------------------------------------------------------------------------------

    def _go_on(self, seconds: float) -> None:
        end = self._time + seconds
        while self._due and min(self._due.values()) <= end:
            controller, self._time = min(self._due.items(), key=lambda item: item[1])
            del self._due[controller]
            if controller == SOURCE_CONTROLLER:
                self._fetched = f"commit-{self.commits}", self._time
                self._due[KUSTOMIZE_CONTROLLER] = self._time + self.apply_seconds
            elif self.applies or self.commits == 1:
                self._apply()
        self._time = end

    def _apply(self) -> None:
        assert self._newest is not None
        self._applied = f"main@sha1:commit-{self.commits}"
        for text in self._newest.files().values():
            wanted = yaml_document(text)
            kind, name = wanted["kind"].lower(), wanted["metadata"]["name"]
            before = self._objects.get((kind, name), {"metadata": {"generation": 0}})
            if {**before, "metadata": 0} == {**wanted, "metadata": 0}:
                continue
            wanted["metadata"] |= {
                "generation": before["metadata"]["generation"] + 1,
                "managedFields": [{"manager": KUSTOMIZE_CONTROLLER, "time": _shown(self._time)}],
            }
            self._objects[kind, name] = wanted
            if kind == "daemonset" and self._newest.fault is Fault.NONE:
                self._start(name, revision_of(wanted["spec"]["template"]))

    def _start(self, part: str, revision: str) -> None:
        old = [run for run in self._runs if run.part == part and run.ended is None]
        if any(run.revision == revision for run in old):
            return
        for run in old:
            self._runs[self._runs.index(run)] = Run(
                part, run.revision, run.process, run.began, self._time
            )
        self._runs.append(Run(part, revision, str(len(self._runs)), self._time))
