"""Stand-ins for a lab and its sides, in which the day of tests/plantday/scenes.py happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from edge_lab.addons.gitops.client import Pushed
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.metrics.records import Origin
from edge_lab.addons.models.records import Act, Requests
from edge_lab.addons.models.versions import BETTER, WORSE, ModelVersion
from edge_lab.addons.witness import Run
from edge_lab.core.deadline import Deadline
from edge_lab.evidence.recording import Recording
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.models.evidence import Step
from edge_lab.stacks import get_stack
from suites.functions.evidence import Evidence as FunctionEvidence
from suites.metrics.evidence import BEFORE, HEAL
from suites.metrics.evidence import Evidence as MetricEvidence
from suites.models.side import Said
from tests.plantday import scenes
from tests.plantday.madeup import (
    AFTER,
    DIGESTS,
    EDGES,
    FAULTS,
    SECONDS,
    SERVER,
    STACK,
    TOPOLOGY,
    VERSIONS,
    at,
    at_ns,
    steps,
)
from tests.plantday.memoryscenes import memory


@dataclass
class World:
    """Time passes only while somebody waits."""

    now: float = 0.0
    wanted: list[str] = field(default_factory=lambda: [BETTER])
    pushed: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def time(self) -> float:
        return at(self.now)

    def time_ns(self) -> int:
        return at_ns(self.now)

    def wait(self, until: float) -> None:
        self.now = max(self.now, until)

    @property
    def is_over(self) -> bool:
        return self.now >= SECONDS


class Waits:
    """As suites.waiting.WaitingSide, but nothing is to be waited for."""

    def __init__(self, world: World) -> None:
        self.world = world

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        assert probe(), what
        return True

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        return bool(probe())

    def runtime(self, node: str) -> str:
        return STACK

    def now(self) -> float:
        return self.world.time()


class StandInFleet(Waits):
    nodes = EDGES

    def name(self) -> str:
        return f"r1-{len(self.world.pushed) + 1}"

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        self.world.pushed += [revision.name for revision in revisions]
        return (Pushed("c0ffee", self.world.time(), len(revisions)),)

    def runs(self, node: str) -> tuple[Run, ...]:
        return scenes.fleet(node).runs


class StandInModels(Waits):
    nodes, order = EDGES, (*EDGES, SERVER)
    versions: Mapping[str, ModelVersion] = VERSIONS
    digests: Mapping[str, str] = DIGESTS

    def want(self, tag: str) -> None:
        self.world.wanted.append(tag)

    def said(self) -> Said:
        last = self.world.wanted[-1]
        shown = {"phase": "Serving", "digest": DIGESTS[last]}
        phase = "Halted" if last == WORSE else "Complete"
        return Said(1, 1, phase, dict.fromkeys(self.order, shown))

    def serving(self, node: str) -> str:
        return DIGESTS[[tag for tag in self.world.wanted if tag != WORSE][-1]]

    def acts(self, node: str) -> tuple[Act, ...]:
        return scenes.served(node).day.acts if self.world.is_over else ()

    def requests(self, node: str) -> Requests:
        return scenes.served(node).day.requests

    def steps(self, node: str) -> tuple[Step, ...]:
        return () if node == SERVER else steps()


class StandInFunctions(Waits):
    nodes = EDGES


@dataclass
class StandInScene:
    side: StandInFunctions

    def begin(self) -> None:
        self.side.world.log.append("functions begin")

    def all_handled(self, seconds: float) -> bool:
        self.side.world.log.append("functions handled")
        return True

    def look(self, node: str) -> FunctionEvidence:
        return replace(scenes.functions(node), blind=(), copies=None)

    def copies_of(self, evidence: FunctionEvidence) -> tuple[str, ...]:
        return tuple(event.id for node in EDGES for event in scenes.functions(node).events)


@dataclass
class StandInOutage:
    metrics: World
    evidence: dict[Origin, MetricEvidence] = field(default_factory=dict)

    @contextlib.contextmanager
    def watched(self, *, restarted: bool = False) -> Iterator[None]:
        assert restarted
        self.metrics.log.append("metrics begin")
        yield
        self.metrics.log.append("metrics settled")
        for node in EDGES:
            found = scenes.metrics(node)
            marks = {BEFORE: 6, HEAL: found.marks[HEAL]}
            self.evidence[Origin(node, "vmagent")] = replace(found, marks=marks)


@dataclass
class StandInCase:
    """Of a node's memory."""

    node: str
    world: World
    began: int
    before: Any

    @classmethod
    def begun(cls, lab: Any, node: str, limit: Any) -> StandInCase:
        found = memory(node)
        settled = found.settled if lab.world.now else None
        return cls(node, lab.world, lab.world.time_ns(), settled or found.before)

    def end(self) -> None:
        self.world.log.append(f"memory of {self.node} ends")

    def evidence(self, recording: Recording) -> Any:
        found = memory(self.node)
        return SimpleNamespace(
            runtime=STACK,
            ended=at_ns(SECONDS + AFTER),
            memory=found.readings,
            before=found.before,
            after=found.after,
        )


class StandInTwins:
    def __init__(self, kubectl: object) -> None:
        pass

    def status(self, twin: str, deadline: Deadline) -> Any:
        return SimpleNamespace(value=lambda name: str(steps()[-1].seq - 2))


@dataclass
class StandInPlan:
    """All of the plan's faults, up to now."""

    world: World
    fails_at: float = float("inf")

    @property
    def has_failed(self) -> bool:
        return self.world.now >= self.fails_at

    @property
    def records(self) -> tuple[FaultRecord, ...]:
        return tuple(record for record in FAULTS if record.began <= self.world.time_ns())


def lab_of(world: World) -> Any:
    """What the scenarios use of a lab."""
    shown = [SimpleNamespace(seq=step.seq, time=round(step.time * 1e9)) for step in steps()]
    return SimpleNamespace(
        world=world,
        topology=TOPOLOGY,
        stack_name=STACK,
        stack=get_stack(STACK),
        kubectl=None,
        devices={"boiler": SimpleNamespace(steps=lambda: shown)},
    )
