"""Runs a day in a lab, and collects its evidence."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge_lab.addons.functions.records import NANOSECONDS
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.models.versions import BETTER
from edge_lab.addons.twins.mapperunit import collect_ms
from edge_lab.addons.twins.names import twin_name
from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import sampler_pod
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.devices.points import SEQUENCE
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.runner import Clock, PlanRun
from edge_lab.fixtures.faults import Chaos
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.memory.collecting import MemoryCase
from edge_lab.observe.memory.looking import MemoryWatcher
from edge_lab.oracles.autonomy import Expectation
from suites.functions.evidence import Evidence as FunctionEvidence
from suites.functions.labside import LabSide as Functions
from suites.functions.scenarios import Scene
from suites.gitops.flow import all_run, begin
from suites.gitops.labside import LabSide as Fleet
from suites.metrics.outages import Outage
from suites.metrics.queries import Metrics
from suites.models.labside import LabSide as Models
from suites.models.scenarios import evidence as model_evidence
from suites.models.scenarios import serves, settle, tag_of
from suites.plantday.day import Day
from suites.plantday.evidence import (
    DayEvidence,
    FleetEvidence,
    RestartEvidence,
    ServedEvidence,
    TwinEvidence,
    boots_of,
    seconds_of,
)
from suites.plantday.faultspans import blind_spans, has_settled, marks_of, silent_spans
from suites.plantday.judging import judge_twin_now
from suites.plantday.people import People

if TYPE_CHECKING:
    from edge_lab.evidence.recording import Recording
    from edge_lab.handle.lab import Lab
    from edge_lab.measuring.watcher import Watcher

ROLLOUT_SECONDS = 420.0
"""From the end of the day until the last revision and the last version run everywhere."""
HANDLE_SECONDS = 240.0
TWIN_SECONDS = 120.0
AFTER_SECONDS = 1800.0
"""For all that follows the day, on the reference machine."""
READ_SECONDS = 10
"""Between two readings of a node's memory."""
API_GAP_SECONDS = 30.0
"""For which a server that does all of this may not answer."""


@dataclass
class PlantDay:
    """A lab with everything on it, and one day of its operation."""

    lab: Lab
    faults: FaultEngine
    limit: TimeLimit
    day: Day
    left_out: tuple[str, ...] = ()
    began: float = 0.0
    ended: float = 0.0
    records: tuple[FaultRecord, ...] = ()
    _cases: dict[str, MemoryCase] = field(default_factory=dict)
    _settled: dict[str, tuple[int, MemoryCase]] = field(default_factory=dict)
    """By node, when it had settled after a boot, and its case from then on."""

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.lab, self.faults, self.limit)
        self.functions = Functions(self.lab, self.faults, self.limit)
        self.models = Models(self.lab, self.faults, self.limit)
        self.metrics = Metrics(self.lab, self.limit)
        self.scene = Scene(self.functions)
        self.outage = Outage(self.metrics)

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes, the server last."""
        return self.models.order

    def watchers(self) -> Sequence[Watcher]:
        return [MemoryWatcher(self.lab, node, READ_SECONDS) for node in self.nodes]

    def settle(self) -> People:
        """The fleet runs a first revision, and all nodes serve a good model."""
        first = Revision(self.fleet.name(), self.fleet.nodes)
        with step("before the day"):
            begin(self.fleet, first)
            settle(self.models, BETTER)
        return People(self.fleet, self.models, first, BETTER, transient=(LabError, *NOT_YET))

    def run(self, people: People, chaos: Chaos, plan: Path) -> None:
        """The day with its faults, and then until delayed data has arrived, or the time for
        it is over; what is missing is judged later.

        Raises:
            LabError: something could not be done, or the plan failed.
        """
        for node in self.nodes:
            self._cases[node] = MemoryCase.begun(self.lab, node, self.limit)
        self.scene.begin()
        with self.outage.watched(restarted=True), self._planned(chaos, plan) as run:
            people.check = partial(self._check, run)
            self.began, clock = time.time(), Clock()
            deadline = Deadline.after(self.day.seconds + self.limit(AFTER_SECONDS).total)
            people.live(self.day, clock, deadline)
            self.ended = time.time()
        with step("waiting for delayed data"):
            self._drain(people)
        for case in self._cases.values():
            case.end()

    def _check(self, run: PlanRun) -> None:
        """Every few seconds of the day: looks at nodes that have settled after a boot.

        Raises:
            LabError: the plan has failed, so that the day makes no sense any more.
        """
        if run.has_failed:
            raise LabError("the plan of the day has failed")
        now = self._now_ns()
        for node in self.nodes:
            if node not in self._settled and has_settled(run.records, self.lab.topology, node, now):
                with contextlib.suppress(LabError, *NOT_YET):
                    self._settled[node] = (now, MemoryCase.begun(self.lab, node, self.limit))

    @contextlib.contextmanager
    def _planned(self, chaos: Chaos, plan: Path) -> Iterator[PlanRun]:
        with chaos(str(plan)) as run:
            yield run
        self.records = run.records

    def _drain(self, people: People) -> None:
        last = [made for made in people.made if not made.bad][-1].name
        tag = people.wishes[-1].tag
        side = self.models
        side.seen(
            lambda: all_run(self.fleet, self.fleet.nodes, people.first.parts, last),
            ROLLOUT_SECONDS,
        )
        side.seen(
            lambda: side.said().complete and all(serves(side, node, tag) for node in side.order),
            ROLLOUT_SECONDS,
        )
        self.scene.all_handled(HANDLE_SECONDS)

    # -- evidence ----------------------------------------------------------------------------

    def evidence(self, people: People, recording: Recording) -> DayEvidence:
        """All parts, after the watch has ended."""
        return DayEvidence(
            minutes=self.day.minutes,
            stack=self.lab.stack_name,
            began=self.began,
            ended=self.ended,
            done=tuple(people.done),
            faults=self.records,
            left_out=self.left_out,
            fleet=tuple(self._ran(node, people) for node in self.fleet.nodes),
            functions=tuple(self._handled(node) for node in self.functions.nodes),
            metrics=tuple(
                replace(found, marks=marks_of(found, self.records, self.lab.topology))
                for found in self.outage.evidence.values()
            ),
            models=tuple(self._served(node, people) for node in self.models.order),
            twins=tuple(self._twins()),
            memory=tuple(self._memory(node, recording) for node in self.nodes),
        )

    def _now_ns(self) -> int:
        return round(time.time() * NANOSECONDS)

    def _boots(self, node: str) -> tuple[tuple[float, float], ...]:
        return tuple(map(seconds_of, boots_of(self.records, node, self._now_ns())))

    def _ran(self, node: str, people: People) -> FleetEvidence:
        return FleetEvidence(
            node=node,
            runtime=self.fleet.runtime(node),
            parts=tuple(part.name for part in people.first.parts),
            made=tuple(people.made),
            began=self.began,
            observed_at=self.fleet.now(),
            runs=self.fleet.runs(node),
            boots=self._boots(node),
        )

    def _handled(self, node: str) -> FunctionEvidence:
        blind = blind_spans(self.records, self.lab.topology, node, self._now_ns())
        found = replace(
            self.scene.look(node), blind=tuple((span.start, span.end) for span in blind)
        )
        return replace(found, copies=self.scene.copies_of(found))

    def _served(self, node: str, people: People) -> ServedEvidence:
        side = self.models
        said = side.said()
        shown = said.nodes.get(node, {})
        device = node in side.nodes
        found = model_evidence(side, node, self.began)
        ended = self._now_ns()
        found = replace(
            found,
            reboots=silent_spans(self.records, node, found.requests, ended),
            blind=tuple(map(seconds_of, blind_spans(self.records, self.lab.topology, node, ended))),
        )
        return ServedEvidence(
            node=node,
            runtime=side.runtime(node),
            wishes=tuple(people.wishes),
            serving=tag_of(side, side.serving(node)),
            claimed=tag_of(side, shown.get("digest", "")),
            phase=shown.get("phase", ""),
            rollout=said.phase if said.observed == said.generation else "",
            judges=device and node == side.order[0],
            asks=device,
            day=found,
        )

    def _twins(self) -> Iterator[TwinEvidence]:
        for device in self.lab.topology.devices:
            for node in device.twins:
                twin = twin_name(device.name, node)
                collect_s = collect_ms(device, self.lab.stack.runtime) / 1000
                yield self._twin(twin, node, device.name, collect_s)

    def _twin(self, twin: str, node: str, device: str, collect_s: float) -> TwinEvidence:
        from edge_lab.addons.twins.client import TwinClient

        client = TwinClient(self.lab.kubectl)

        last: list[TwinEvidence] = []

        def is_current() -> bool:
            last.append(look())
            return judge_twin_now(last[-1]).passed

        def look() -> TwinEvidence:
            value = client.status(twin, self.limit(TWIN_SECONDS)).value(SEQUENCE)
            observed_at = time.time()
            steps = self.lab.devices[device].steps()
            return TwinEvidence(
                twin=twin,
                node=node,
                runtime=self.fleet.runtime(node),
                reported=int(value) if value else None,
                observed_at=observed_at,
                steps={step.seq: step.time / NANOSECONDS for step in steps},
                collect_s=collect_s,
            )

        self.models.seen(is_current, TWIN_SECONDS)
        return last[-1] if last else look()

    def _memory(self, node: str, recording: Recording) -> RestartEvidence:
        found = self._cases[node].evidence(recording)
        began = round(self.began * NANOSECONDS)
        settled_at, settled = self._settled.get(node, (0, None))
        boots = {seen.boot for seen in recording.answered if seen.node == node and seen.boot}
        return RestartEvidence(
            node=node,
            runtime=found.runtime,
            began=self.began,
            ended=found.ended / NANOSECONDS,
            readings=tuple(seen for seen in found.memory if seen.time >= began),
            before=found.before,
            after=found.after,
            faults=self.records,
            settled=settled.before if settled else None,
            settled_at=settled_at / NANOSECONDS,
            boots_seen=max(0, len(boots) - 1),
        )

    def expectation(self, node: str) -> Expectation:
        """The samplers may stand still, but no sample may be lost."""
        return Expectation(
            pods=(f"{NAMESPACE}/{sampler_pod(node)}",),
            may_restart=len(self._boots(node)),
            downtime_s=None,
            api_gap_s=API_GAP_SECONDS,
        )
