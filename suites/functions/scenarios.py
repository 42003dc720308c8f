"""What is done to the edge nodes, and the evidence of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from edge_lab.addons.functions.parts import IDLE_SECONDS
from edge_lab.addons.functions.records import NANOSECONDS, Event
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds
from suites.functions.evidence import Evidence, Storm
from suites.functions.side import Side

CROSS_SECONDS = 60.0
"""For one crossing that is due every twenty seconds or so."""
HANDLE_SECONDS = 240.0
"""Until what has crossed is handled: an emulated node may take a minute to start a pod, and an
event whose function has died comes again after 20 s."""
ASLEEP_SECONDS = 180.0
COPY_SECONDS = 240.0
"""From a heal until all events are in the cloud: a source that has failed is tried again after up
to a minute or so."""
STORM_SECONDS = 900.0
BEFORE_SECONDS = 120
"""Of the ground truth before a scenario: an event of it may be of a step that was taken then."""


@dataclass
class Scene:
    """One scenario on all nodes: known before it, and found after it."""

    side: Side
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, ClockBounds | None] = field(default_factory=dict)
    blind: list[tuple[int, int]] = field(default_factory=list)
    offline: dict[str, Evidence] = field(default_factory=dict)
    owed: dict[str, frozenset[str]] = field(default_factory=dict)
    until: dict[str, int] = field(default_factory=dict)
    """By node, when `owed` was asked for, ns by the host's clock."""
    refused: dict[str, frozenset[str]] = field(default_factory=dict)
    storms: dict[str, Storm] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)

    # -- events ------------------------------------------------------------------------------

    def events(self, node: str) -> tuple[Event, ...]:
        """Those that crossed since the scenario began."""
        return tuple(one for one in self.side.events(node) if one.id not in self.known[node])

    def unhandled(self, node: str) -> frozenset[str]:
        done = {one.id for one in self.side.records(node).handled}
        return frozenset(event.id for event in self.events(node) if event.id not in done)

    def unstored(self) -> bool:
        """Whether each node has an event that its broker has not taken; those are kept."""
        for node in self.side.nodes:
            left = {event.id for event in self.events(node) if event.stored is None}
            self.refused[node] = frozenset(left)
        return all(self.refused.values())

    def until_crossed(self, each: int) -> None:
        """Until so many more events of each way have crossed on each node."""
        side = self.side
        before = {node: len(side.events(node)) for node in side.nodes}
        wanted = each * len(side.ways)

        def crossed() -> bool:
            return all(len(side.events(node)) >= before[node] + wanted for node in side.nodes)

        side.until(f"{wanted} events on each node", crossed, CROSS_SECONDS * (wanted + 1))

    def all_handled(self, seconds: float = HANDLE_SECONDS) -> bool:
        """Whether all that has crossed until now is handled in time. That is what `look` shows:
        what crosses while this waits, or later, may still be on its way."""
        nodes = self.side.nodes
        self.until = {node: self.side.now() for node in nodes}
        self.owed = {node: frozenset(one.id for one in self.events(node)) for node in nodes}

        def handled() -> bool:
            return not any(self.owed[node] & self.unhandled(node) for node in nodes)

        return self.side.seen(handled, seconds)

    # -- evidence ----------------------------------------------------------------------------

    def begin(self) -> None:
        side = self.side
        for node in side.nodes:
            self.known[node] = frozenset(one.id for one in side.events(node))
            self.began[node] = side.now()
            self.clocks[node] = self._clock(node)

    def _clock(self, node: str) -> ClockBounds | None:
        try:
            return self.side.clock(node)
        except LabError:
            return None

    def look(self, node: str) -> Evidence:
        """The evidence on what had crossed when `all_handled` was called last."""
        side, began = self.side, self.began[node]
        before, after = self.clocks[node], self._clock(node)
        clock = before.joined(after) if before is not None and after is not None else None
        ours, until = self.owed[node], self.until[node]
        # Records first: what they tell of has crossed before.
        records = side.records(node)
        everything = {one.id for one in side.events(node)}
        events = tuple(one for one in self.events(node) if one.id in ours)
        earlier = self.known[node]
        return Evidence(
            node=node,
            runtime=side.runtime(node),
            ways=tuple(way.name for way in side.ways),
            events=events,
            handled=tuple(
                one
                for one in records.handled
                if one.id in ours or (one.id not in everything and one.id not in earlier)
            ),
            activations=side.activations(node),
            began=began,
            steps=tuple(
                step
                for step in side.steps(node)
                if began - BEFORE_SECONDS * NANOSECONDS <= step.time <= until
            ),
            clock=clock,
            asleep_s={},
            blind=tuple(self.blind),
            repeated=sum(id in ours for id in records.repeated),
        )

    def end(self, *, copies: bool = False) -> None:
        """Waits until all is handled, and until all that can sleep does."""
        side = self.side
        self.all_handled()
        found = {node: self.look(node) for node in side.nodes}
        asleep = self._asleep()
        for node, evidence in found.items():
            offline = self.offline.get(node)
            self.evidence[node] = replace(
                evidence,
                asleep_s=asleep[node],
                owed_offline=offline.events if offline else (),
                handled_offline=offline.handled if offline else (),
                refused=self.refused.get(node, frozenset()),
                copies=self._copies(evidence) if copies else None,
            )

    def _asleep(self) -> dict[str, dict[str, float | None]]:
        """By node and way, from the last event of the way that was handled until none ran.

        Events go on, and ways take turns: each way is at zero between two of its own.
        """
        side = self.side
        names = [way.name for way in side.ways if way.from_zero]
        since = time.monotonic()
        found: dict[str, dict[str, float | None]] = {node: {} for node in side.nodes}

        def all_were() -> bool:
            for node in side.nodes:
                running = side.running(node)
                for name in set(names) - running - found[node].keys():
                    found[node][name] = time.monotonic() - since
            return all(len(found[node]) == len(names) for node in side.nodes)

        side.seen(all_were, ASLEEP_SECONDS)
        for node in side.nodes:
            for name in names:
                found[node].setdefault(name, None)
            for way in side.ways:
                if not way.from_zero and way.name not in side.running(node):
                    found[node][way.name] = 0.0
        return found

    def _copies(self, evidence: Evidence) -> tuple[str, ...]:
        owed = {event.id for event in evidence.events if event.stored is not None}

        def copied() -> bool:
            return owed <= set(self.side.copies())

        self.side.seen(copied, COPY_SECONDS)
        return self.side.copies()


@contextmanager
def scene(side: Side, *, copies: bool = False) -> Iterator[Scene]:
    """A scenario: evidence is there when the block is over."""
    found = Scene(side)
    found.begin()
    yield found
    found.end(copies=copies)


def in_turns(side: Side, each: int) -> Scene:
    """Online, undisturbed: `each` events of each way on each node, by turns."""
    with scene(side, copies=True) as found:
        found.until_crossed(each)
    return found


def offline(side: Side, each: int) -> Scene:
    """The uplinks are cut, and healed when all that crossed meanwhile is handled, or late."""
    with scene(side, copies=True) as found, side.offline():
        found.until_crossed(each)
        found.all_handled()
        found.offline = {node: found.look(node) for node in side.nodes}
    return found


def reset_while_offline(side: Side) -> Scene:
    """The uplinks are cut, the nodes lose their power just after an event, and are healed when
    they have handled events of after their boot."""
    with scene(side, copies=True) as found, side.offline():
        found.until_crossed(1)
        off = side.now()
        side.reset()
        found.until_crossed(1)
        found.blind.append((off, side.now()))
        found.all_handled()
        found.offline = {node: found.look(node) for node in side.nodes}
    return found


def broker_killed(side: Side) -> Scene:
    """The brokers are killed twice, between events and just after one."""
    with scene(side, copies=True) as found:
        for _ in range(2):
            found.until_crossed(1)
            side.kill_brokers()
        found.until_crossed(1)
    return found


def full_disks(side: Side) -> Scene:
    """Nothing can be written for a while. Each way has run before: its log has its room."""
    with scene(side) as found:
        found.until_crossed(1)
        found.all_handled()
        with side.full_disks():
            found.until_crossed(1)
            side.seen(found.unstored, CROSS_SECONDS)
        found.until_crossed(1)
    return found


def storm(side: Side, each: int) -> Scene:
    """`each` events for each way at once, on each node."""
    with scene(side) as found:
        memory = {node: side.memory(node) for node in side.nodes}
        least = {node: memory[node].available_mib for node in side.nodes}
        names = [way.name for way in side.ways]
        since = time.monotonic()
        for node in side.nodes:
            side.storm(node, names, each)
        owed = {node: {one.id for one in found.events(node)} for node in side.nodes}
        drained: dict[str, float] = {}

        def all_done() -> bool:
            for node in side.nodes:
                least[node] = min(least[node], side.memory(node).available_mib)
                if node not in drained and not owed[node] & found.unhandled(node):
                    drained[node] = time.monotonic() - since
            return len(drained) == len(side.nodes)

        side.seen(all_done, STORM_SECONDS)
        for node in side.nodes:
            found.storms[node] = Storm(
                events=each * len(names),
                drained_s=drained.get(node),
                least_mib=least[node],
                before_mib=memory[node].available_mib,
                kills=side.memory(node).kills - memory[node].kills,
            )
    return found


def never_woken(side: Side) -> Scene:
    """The control: nothing wakes functions, while an event of each way crosses."""
    found = Scene(side)
    found.begin()
    with side.no_activators():
        found.until_crossed(1)
        found.all_handled(2 * IDLE_SECONDS)
        found.evidence = {node: found.look(node) for node in side.nodes}
    found.all_handled()
    return found
