"""A watched lab: found, lost and found again, with each part polled separately."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, LabError
from edge_lab.faults.board import AnnouncedPlan
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.records import FaultRecord
from edge_lab.handle.status import LinkStatus, NodeStatus, PodStatus
from edge_lab.live.actions import Actions, heal_command
from edge_lab.live.place import Found, Place
from edge_lab.live.poll import Poll
from edge_lab.live.snapshot import (
    Condition,
    DeviceSeen,
    FaultSeen,
    LabSnapshot,
    Part,
    SampleRow,
    Stage,
    Twins,
)
from edge_lab.live.source import Source

T = TypeVar("T")

LOOK_EVERY = 1.0
"""Seconds between checks whether the lab is up, and still the same one."""

LOOKING = "looking for the lab"
"""The message until the first check has finished."""

SHOWN_NS = 3600 * 10**9
"""Time for which a fault is shown after its recovery."""

UNWATCHED_SECONDS = 20.0
"""After so many seconds without a reader, the lab is not polled until the next one."""

END_SECONDS = 300.0
"""Seconds for running actions to finish when the page ends."""


@dataclass(frozen=True)
class Pace:
    """Seconds from an answer of each part to the next poll."""

    links: float = 1.0
    faults: float = 1.0
    devices: float = 2.0
    nodes: float = 3.0
    pods: float = 5.0
    twins: float = 5.0
    samples: float = 10.0
    """They are read from the nodes themselves, which is expensive on emulated ones."""


@dataclass
class _Polls:
    """The polls of one lab."""

    nodes: Poll[tuple[NodeStatus, ...]]
    links: Poll[tuple[LinkStatus, ...]]
    pods: Poll[tuple[PodStatus, ...]]
    faults: Poll[tuple[FaultRecord, ...]]
    plan: Poll[AnnouncedPlan | None]
    twins: Poll[Twins] | None
    devices: Mapping[str, Poll[DeviceSeen]] = field(default_factory=dict)
    samples: Mapping[str, Poll[tuple[SampleRow, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, pace: Pace, wanted: Callable[[], bool]) -> Self:
        poll = partial(Poll, wanted=wanted)
        return cls(
            nodes=poll("nodes", source.nodes, every=pace.nodes, within=10),
            links=poll("links", source.links, every=pace.links, within=5),
            pods=poll("pods", source.pods, every=pace.pods, within=10),
            faults=poll("faults", source.faults, every=pace.faults, within=5),
            plan=poll("plan", source.plan, every=pace.faults, within=5),
            twins=poll("twins", source.twins, every=pace.twins, within=10)
            if source.twinned
            else None,
            devices={
                device.name: poll(
                    f"device {device.name}",
                    partial(source.device, device.name),
                    every=pace.devices,
                    within=8,
                )
                for device in source.topology.devices
            },
            samples={
                node: poll(
                    f"samples {node}",
                    partial(source.samples, node),
                    every=pace.samples,
                    within=20,
                )
                for node in source.sampled_nodes
            },
        )

    def all(self) -> Iterator[Poll[Any]]:
        yield from (self.nodes, self.links, self.pods, self.faults, self.plan)
        if self.twins is not None:
            yield self.twins
        yield from self.devices.values()
        yield from self.samples.values()


class LiveLab:
    """The known state of a lab, available at any time without waiting. A context manager."""

    def __init__(
        self, name: str, place: Place, *, read_only: bool, pace: Pace | None = None
    ) -> None:
        self.name = name
        self.read_only = read_only
        self._place = place
        self._pace = pace or Pace()
        self._condition = Condition(stage=Stage.NOT_UP, since=time.time_ns(), message=LOOKING)
        self._which: Hashable = None
        self._source: Source | None = None
        self._engine: FaultEngine | None = None
        self._polls: _Polls | None = None
        self._generation = 0
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self.actions = Actions(name, lambda: self._up().topology, self._fault_engine, self._hurry)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with self._lock:
            polls = self._polls
        for poll in polls.all() if polls else ():
            poll.stop()

    @property
    def source(self) -> Source:
        """The lab, up or coming up; LabError while there is none."""
        with self._lock:
            source, condition = self._source, self._condition
        if source is None or condition.stage is Stage.NOT_UP:
            raise _trouble(condition)
        return source

    def picture(self) -> str:
        """The topology of the shown lab, also while it is lost; LabError without one."""
        with self._lock:
            source, condition = self._source, self._condition
        if source is None:
            raise _trouble(condition)
        return source.picture()

    def _up(self) -> Source:
        """The lab; LabError while it is not up."""
        with self._lock:
            condition = self._condition
        if condition.stage is not Stage.UP:
            raise _trouble(condition)
        return self.source

    def snapshot(self) -> LabSnapshot:
        """The known state now."""
        was_watched = self._is_watched()
        self._looked = time.monotonic()
        with self._lock:
            condition, polls, source = self._condition, self._polls, self._source
            generation = self._generation
        if polls is not None and not was_watched:
            for poll in polls.all():
                poll.hurry()
        head = LabSnapshot(
            lab=self.name,
            now=time.time_ns(),
            generation=generation,
            condition=condition,
            read_only=self.read_only,
            actions=self.actions.known,
        )
        if polls is None or source is None:
            return head
        lost = condition if condition.stage is Stage.NOT_UP else None
        return head.model_copy(
            update={
                "stack": source.stack,
                "addons": source.topology.addons,
                "restored": source.restored,
                "nodes": _while(lost, polls.nodes.part),
                "links": _while(lost, polls.links.part),
                "pods": _while(lost, polls.pods.part),
                "devices": {name: _while(lost, poll.part) for name, poll in polls.devices.items()},
                "twins": _while(lost, polls.twins.part) if polls.twins else Part(),
                "samples": {node: _while(lost, poll.part) for node, poll in polls.samples.items()},
                "faults": self._seen(_while(lost, polls.faults.part)),
                "plan": _while(lost, polls.plan.part),
            }
        )

    def _is_watched(self) -> bool:
        return time.monotonic() - self._looked < UNWATCHED_SECONDS

    def _seen(self, part: Part[tuple[FaultRecord, ...]]) -> Part[tuple[FaultSeen, ...]]:
        records = None
        if part.value is not None:
            since = time.time_ns() - SHOWN_NS
            records = tuple(
                fault_seen(self.name, record)
                for record in part.value
                if record.healed is None or record.healed > since
            )
        return Part(
            value=records,
            seen=part.seen,
            unknown_since=part.unknown_since,
            trouble=part.trouble,
        )

    # -- finding it ------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(LOOK_EVERY)

    def look(self) -> None:
        """Checks once whether the lab is up, and switches to it if it is another."""
        try:
            found = self._place.look()
        except EdgeLabError as trouble:
            self._lose(trouble.message, trouble.remedy)
            return
        except Exception as trouble:  # noqa: BLE001 - a broken lab is shown, and looked for again
            self._lose(f"{type(trouble).__name__}: {trouble}")
            return
        if found.which == self._which:
            self._say(found.starting)
            return
        try:
            source = self._place.open()
        except Exception as trouble:  # noqa: BLE001
            said = found.starting or trouble
            remedy = said.remedy if isinstance(said, EdgeLabError) else ""
            message = said.message if isinstance(said, EdgeLabError) else repr(said)
            self._lose(message, remedy)
        else:
            self._hold(found, source)

    def _say(self, starting: LabError | None) -> None:
        """The progress of a lab that is starting."""
        with self._lock:
            if starting is not None and self._condition.message != starting.message:
                self._condition = self._condition.model_copy(
                    update={"message": starting.message, "remedy": starting.remedy}
                )

    def _lose(self, message: str, remedy: str = "") -> None:
        with self._lock:
            before, polls = self._condition, self._polls
            since = before.since if before.stage is Stage.NOT_UP else time.time_ns()
            self._condition = Condition(
                stage=Stage.NOT_UP, since=since, message=message, remedy=remedy
            )
            self._which, self._engine = None, None
        for poll in polls.all() if polls else ():
            poll.stop()

    def _hold(self, found: Found, source: Source) -> None:
        polls = _Polls.of(source, self._pace, self._is_watched)
        with self._lock:
            before = self._polls
            self._which, self._source, self._polls = found.which, source, polls
            self._engine = None
            self._generation += 1
            self._condition = Condition(
                stage=Stage.STARTING if found.starting else Stage.UP, since=time.time_ns()
            )
        self._say(found.starting)
        for poll in before.all() if before else ():
            poll.stop()
        for poll in polls.all():
            poll.start()

    # -- actions ---------------------------------------------------------------------------

    def _fault_engine(self) -> FaultEngine:
        source = self._up()
        with self._lock:
            if self._engine is None:
                self._engine = source.engine()
            return self._engine

    def _hurry(self) -> None:
        with self._lock:
            polls = self._polls
        if polls is not None:
            polls.faults.hurry()
            polls.links.hurry()

    def finish(self, deadline: Deadline) -> bool:
        """Waits for running actions; returns whether all have ended."""
        return self.actions.wait(deadline)


def _trouble(condition: Condition) -> LabError:
    return LabError(condition.message, remedy=condition.remedy)


def _while(lost: Condition | None, part: Part[T]) -> Part[T]:
    """The part; if the lab is lost, it is unknown since then, or since earlier."""
    if lost is None or part.unknown_since is not None:
        return part
    return part.model_copy(update={"unknown_since": lost.since, "trouble": lost.message})


def fault_seen(lab: str, record: FaultRecord) -> FaultSeen:
    """A fault record as shown."""
    return FaultSeen(
        id=record.id,
        title=record.fault.title,
        family=record.fault.family,
        parts=tuple(sorted(record.fault.scope.names)),
        began=record.began,
        seen=record.seen,
        proof=record.proof,
        heal_began=record.heal_began,
        healed=record.healed,
        cure=record.cure,
        command=heal_command(lab, record.id) if record.active else "",
    )
