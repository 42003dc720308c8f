"""Which containers of a pod ran at which times, by its node's own view.

While a node does not answer over the management path, the state of its containers is unknown.
The state before the silence holds again only if the node has not booted since.  For a node that
was powered off, reset or paused on purpose the state is unknown from that moment on, not only
from when the silence was detected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge_lab.evidence.recording import ContainerSeen, NodeAnswered, Recording
from edge_lab.faults.effects import NodeStop
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import Held, Span, held


@dataclass(frozen=True, order=True)
class PodName:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, order=True)
class PodRuns:
    """One pod and the containers of it that run."""

    uid: str
    containers: tuple[str, ...]


InSight = tuple[PodRuns, ...] | None
"""The running pods of one name, by uid; None while the state of the node is unknown."""


def sightings(recording: Recording, node: str) -> dict[PodName, tuple[Held[InSight], ...]]:
    """What ran of each pod that was ever seen on `node`, up to the end of the recording."""
    watch = _Watch()
    changes: dict[PodName, list[tuple[int, InSight]]] = {}
    for time, event in _events(recording, node):
        watch.take(event)
        for name in watch.pods:
            changes.setdefault(name, []).append((time, watch.sight(name)))
    return {
        name: held(pod_changes, recording.ended) for name, pod_changes in sorted(changes.items())
    }


def stopped(recording: Recording, node: str) -> tuple[Span, ...]:
    """When the node was stopped on purpose: without power, paused, or on its way up again."""
    return tuple(
        Span(record.began, recording.ended if record.healed is None else record.healed)
        for record in recording.faults
        if _stop_of(record, node) is not None
    )


def _stop_of(record: FaultRecord, node: str) -> NodeStop | None:
    """How the fault stops that node; None if it does not."""
    return next((stop for stop in record.fault.stops if stop.node == node), None)


# -- events ----------------------------------------------------------------------------------
# Order at equal times: stopped on purpose, answers, containers seen, released, healed, silent.
# A node's silence is dated back to its last answer, so it comes after that answer.


@dataclass(frozen=True)
class _Darkened:
    """The node was stopped on purpose; it can show nothing until `release`."""

    release: int


@dataclass(frozen=True)
class _Released:
    pass


@dataclass(frozen=True)
class _Cured:
    """The node is known to run again."""

    same_boot: bool


_Event = _Darkened | NodeAnswered | _Released | _Cured | ContainerSeen


def _events(recording: Recording, node: str) -> Iterator[tuple[int, _Event]]:
    ranked: list[tuple[int, int, _Event]] = []
    for record in recording.faults:
        ranked += [(time, rank, event) for time, rank, event in _of_fault(record, node, recording)]
    ranked += [
        (seen.time, 1 if seen.answered else 5, seen)
        for seen in recording.answered
        if seen.node == node
    ]
    ranked += [(seen.time, 2, seen) for seen in recording.container_seen if seen.node == node]
    for time, _, event in sorted(ranked, key=lambda entry: entry[:2]):
        yield time, event


def _of_fault(
    record: FaultRecord, node: str, recording: Recording
) -> Iterator[tuple[int, int, _Event]]:
    stop = _stop_of(record, node)
    if stop is None or not stop.sudden:
        return  # Without a fault, its containers are taken to run until they are seen not to.
    release = record.began
    if stop.until_heal:
        ends = (record.heal_began, record.healed, recording.ended)
        release = next(end for end in ends if end is not None)
    yield record.began, 0, _Darkened(release)
    yield release, 3, _Released()
    if record.healed is not None:
        yield record.healed, 4, _Cured(same_boot=stop.keeps_boot)


# -- what is in sight ------------------------------------------------------------------------


@dataclass
class _Watch:
    dark: bool = False
    stopped: int = 0
    """The number of active faults that have stopped the node."""
    silent: bool = False
    """It stopped answering, and has not answered since."""
    boot: str = ""
    fresh: dict[PodName, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Seen since its state has been known again."""
    stale: dict[PodName, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Seen before its state became unknown."""

    @property
    def pods(self) -> set[PodName]:
        return {*self.fresh, *self.stale}

    def sight(self, name: PodName) -> InSight:
        if self.dark:
            return None
        runs = self.fresh.get(name, {})
        return tuple(sorted(PodRuns(uid, ids) for uid, ids in runs.items() if ids))

    def take(self, event: _Event) -> None:
        match event:
            case _Darkened():
                self.stopped += 1
                self._darken()
            case _Released():
                self.stopped -= 1
            case _Cured(same_boot=same_boot):
                if self.dark and not self.stopped and not self.silent:
                    self._lighten(same_boot)
            case NodeAnswered(answered=False):
                self.silent = True
                self._darken()
            case NodeAnswered(boot=boot):
                self._answered(boot)
            case ContainerSeen():
                self._seen(event)

    def _darken(self) -> None:
        if not self.dark:
            self.dark = True
            self.stale, self.fresh = self._all(), {name: {} for name in self.pods}

    def _lighten(self, same_boot: bool) -> None:
        self.dark = False
        if same_boot:
            self.fresh = self._all()
        self.stale = {name: {} for name in self.pods}

    def _all(self) -> dict[PodName, dict[str, tuple[str, ...]]]:
        return {
            name: {**self.stale.get(name, {}), **self.fresh.get(name, {})} for name in self.pods
        }

    def _answered(self, boot: str) -> None:
        same = bool(boot) and boot == self.boot
        rebooted = bool(boot) and bool(self.boot) and not same
        out_of_sight = self.dark or self.silent
        self.silent = False
        self.boot = boot or self.boot
        if self.stopped:
            return  # A late observation, made before the node was stopped.
        if not out_of_sight and rebooted and not any(self.stale.values()):
            self._darken()
        if out_of_sight or rebooted:
            self._lighten(same)

    def _seen(self, seen: ContainerSeen) -> None:
        name = PodName(seen.namespace, seen.pod)
        if self.stopped:
            self.stale.setdefault(name, {})[seen.uid] = seen.running
            return
        self.dark = False
        self.fresh.setdefault(name, {})[seen.uid] = seen.running
