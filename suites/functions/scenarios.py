"""The scenarios on the edge nodes, and their evidence."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from edge_lab.addons.functions.parts import IDLE_SECONDS
from edge_lab.addons.functions.records import NANOSECONDS, Event
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds
from suites.functions.evidence import Evidence, Orphan, Storm
from suites.functions.side import Side
from suites.waiting import SLACK_SECONDS

CROSS_SECONDS = 60.0
"""For one crossing, which occurs about every twenty seconds."""
HANDLE_SECONDS = 240.0
"""Until all crossed events are handled: an emulated node may take a minute to start a pod, and an
event whose function was killed is delivered again after 20 s."""
REFUSED_SECONDS = 480.0
"""Until a full disk refuses an event: a dozen fit into the last block of the stream's file."""
ASLEEP_SECONDS = 180.0
STOP_TRIES = 5
"""How often activators are stopped to find all functions at zero, or killed while one runs."""
COPY_SECONDS = 240.0
"""From a heal until all events are in the cloud: the server retries a failed source after up to
about a minute."""
AGAIN_SECONDS = 30.0
"""Watched when all events are in the cloud. An event may be copied again when the source publishes
it again, 11 s after an answer that it missed, when the broker delivers it again, after 20 s
(AskLimit and AckWait of images/go/functions/internal/broker), or when the server asks a source
again that was silent for 10 s."""
STORM_SECONDS = 900.0
BEFORE_SECONDS = 120
"""Steps this long before a scenario are included: its first event may refer to one of them."""


@dataclass
class Scene:
    """One scenario on all nodes: the state before it, and the evidence after it."""

    side: Side
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, ClockBounds | None] = field(default_factory=dict)
    blind: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By node, when it could not read its device, ns by the host's clock."""
    offline: dict[str, Evidence] = field(default_factory=dict)
    owed: dict[str, frozenset[str]] = field(default_factory=dict)
    until: dict[str, int] = field(default_factory=dict)
    """By node, just before `owed` was read, ns by the host's clock."""
    known_at: dict[str, int] = field(default_factory=dict)
    """By node, just after `owed` was read: it may have events of steps in between."""
    refused: dict[str, frozenset[str]] = field(default_factory=dict)
    storms: dict[str, Storm] = field(default_factory=dict)
    orphaned: dict[tuple[str, str], Orphan] = field(default_factory=dict)
    """By node and way."""
    evidence: dict[str, Evidence] = field(default_factory=dict)

    # -- events ------------------------------------------------------------------------------

    def events(self, node: str) -> tuple[Event, ...]:
        """The events that have crossed since the scenario began."""
        return tuple(event for event in self.side.events(node) if event.id not in self.known[node])

    def unhandled(self, node: str) -> frozenset[str]:
        done = {record.id for record in self.side.records(node).handled}
        return frozenset(event.id for event in self.events(node) if event.id not in done)

    def unstored(self) -> bool:
        """Whether each node has an event that its broker has not stored; saves these events."""
        for node in self.side.nodes:
            left = {event.id for event in self.events(node) if event.stored is None}
            self.refused[node] = frozenset(left)
        return all(self.refused.values())

    def until_crossed(self, each: int) -> None:
        """Waits until `each` more events of each way have crossed on each node."""
        side = self.side
        before = {node: len(side.events(node)) for node in side.nodes}
        wanted = each * len(side.ways)

        def crossed() -> bool:
            return all(len(side.events(node)) >= before[node] + wanted for node in side.nodes)

        side.until(f"{wanted} events on each node", crossed, CROSS_SECONDS * (wanted + 1))

    def all_handled(
        self, seconds: float = HANDLE_SECONDS, ways: Collection[str] | None = None
    ) -> bool:
        """Whether all events that have crossed so far, of `ways` if given, are handled before the
        timeout.

        `look` returns the evidence on these events only: later ones may still be in progress.
        """
        nodes = self.side.nodes
        self.until = {node: self.side.now() for node in nodes}
        self.owed = {node: frozenset(event.id for event in self.events(node)) for node in nodes}
        self.known_at = {node: self.side.now() for node in nodes}

        waited = {
            node: frozenset(
                event.id
                for event in self.events(node)
                if event.id in self.owed[node] and (ways is None or event.way in ways)
            )
            for node in nodes
        }

        def handled() -> bool:
            return not any(waited[node] & self.unhandled(node) for node in nodes)

        return self.side.seen(handled, seconds)

    # -- evidence ----------------------------------------------------------------------------

    def begin(self) -> None:
        side = self.side
        for node in side.nodes:
            self.known[node] = frozenset(event.id for event in side.events(node))
            self.began[node] = side.now()
            self.clocks[node] = self.clock_of(node)

    def clock_of(self, node: str) -> ClockBounds | None:
        try:
            return self.side.clock(node)
        except LabError:
            return None

    def look(self, node: str) -> Evidence:
        """The evidence on the events that had crossed at the last call of `all_handled`."""
        side, began = self.side, self.began[node]
        before, after = self.clocks[node], self.clock_of(node)
        clock = before.joined(after) if before is not None and after is not None else None
        ours, until = self.owed[node], self.until[node]
        # Records first, so that the journal read next has all events in them.
        records = side.records(node)
        everything = {event.id for event in side.events(node)}
        events = tuple(event for event in self.events(node) if event.id in ours)
        earlier = self.known[node]
        return Evidence(
            node=node,
            runtime=side.runtime(node),
            ways=tuple(way.name for way in side.ways),
            events=events,
            handled=tuple(
                record
                for record in records.handled
                if record.id in ours or (record.id not in everything and record.id not in earlier)
            ),
            activations=side.activations(node),
            began=began,
            steps=tuple(
                step
                for step in side.steps(node)
                if began - BEFORE_SECONDS * NANOSECONDS <= step.time <= self.known_at[node]
            ),
            until=until,
            clock=clock,
            asleep_s={},
            blind=(self.blind[node],) if node in self.blind else (),
            repeated=sum(id in ours for id in records.repeated),
        )

    def end(self, *, copies: bool = False) -> None:
        """Waits until all events are handled and the ways that scale to zero are at zero."""
        side = self.side
        self.all_handled()
        found = {node: self.look(node) for node in side.nodes}
        asleep = self._asleep()
        in_cloud = self.copies_of(*found.values()) if copies else None
        for node, evidence in found.items():
            offline = self.offline.get(node)
            self.evidence[node] = replace(
                evidence,
                asleep_s=asleep[node],
                owed_offline=offline.events if offline else (),
                handled_offline=offline.handled if offline else (),
                refused=self.refused.get(node, frozenset()),
                copies=in_cloud,
            )

    def _asleep(self) -> dict[str, dict[str, float | None]]:
        """By node and way, the time from now until no function of the way runs.

        Events continue to cross, but ways take turns, so each is at zero between two of its own.
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

    def copies_of(self, *found: Evidence) -> tuple[str, ...]:
        """Ids of the events in the cloud, some time after it has all that the nodes have stored, or
        at the timeout; at once if one is there twice."""
        owed = {
            event.id for evidence in found for event in evidence.events if event.stored is not None
        }
        copies: tuple[str, ...] = ()

        def copied() -> bool:
            nonlocal copies
            copies = self.side.copies()
            return owed <= set(copies)

        def twice() -> bool:
            return copied() and any(
                count > 1 for id, count in Counter(copies).items() if id in owed
            )

        self.side.seen(copied, COPY_SECONDS)
        end = self.side.now() + round(AGAIN_SECONDS * NANOSECONDS)
        self.side.seen(lambda: twice() or self.side.now() >= end, AGAIN_SECONDS + SLACK_SECONDS)
        return copies


@contextmanager
def scene(side: Side, *, copies: bool = False) -> Iterator[Scene]:
    """A scenario, whose evidence is complete after the block."""
    found = Scene(side)
    found.begin()
    yield found
    found.end(copies=copies)


def woken_offline(side: Side) -> frozenset[str]:
    """The names of the ways that are woken while their node is cut off."""
    return frozenset(way.name for way in side.ways if way.offline)


def online(side: Side, each: int) -> Scene:
    """Online and without faults: `each` events of each way on each node, in turns."""
    with scene(side, copies=True) as found:
        found.until_crossed(each)
    return found


def offline(side: Side, each: int) -> Scene:
    """Uplinks are cut, and healed when all events are handled, or at the timeout."""
    with scene(side, copies=True) as found, side.offline():
        found.until_crossed(each)
        found.all_handled(ways=woken_offline(side))
        found.offline = {node: found.look(node) for node in side.nodes}
    return found


def on_line(side: Side, profile: str, each: int) -> Scene:
    """Uplinks are as bad as the profile says until all events are handled, or the timeout."""
    with scene(side, copies=True) as found, side.line(profile):
        found.until_crossed(each)
        found.all_handled()
    return found


def broker_killed(side: Side) -> Scene:
    """Brokers are killed twice, each time just after an event."""
    with scene(side, copies=True) as found:
        for _ in range(2):
            found.until_crossed(1)
            side.kill_brokers()
        found.until_crossed(1)
    return found


def activators_killed(side: Side) -> Scene:
    """On each node, the activator is killed once for each way that it wakes, while a function of
    the way runs: the activator that is started then did not start it."""
    with scene(side) as found:
        for node in side.nodes:
            for way in side.ways:
                for _ in range(STOP_TRIES if way.by_activator else 0):
                    orphan = orphaned(side, node, way.name, partial(side.kill_activator, node))
                    found.orphaned[node, way.name] = orphan
                    if orphan.is_evidence:
                        break
        found.until_crossed(1)
    return found


def orphaned(side: Side, node: str, way: str, disturb: Callable[[], None]) -> Orphan:
    """What becomes of a running function after `disturb`, such as a kill of its activator."""

    def events() -> int:
        return sum(event.way == way for event in side.events(node))

    side.until(
        f"a function of {way} runs on {node}",
        lambda: way in side.running(node),
        CROSS_SECONDS * (len(side.ways) + 1),
    )
    before = events()
    disturb()
    awake, since = way in side.running(node), time.monotonic()
    side.seen(lambda: way not in side.running(node) or events() > before, ASLEEP_SECONDS)
    gone = way not in side.running(node)
    return Orphan(
        stopped_s=time.monotonic() - since if gone else None,
        awake=awake,
        more_events=events() - before,
    )


def full_disks(side: Side) -> Scene:
    """Disks are full for a while. Each way has run before, so its records have reserved space."""
    with scene(side) as found:
        found.until_crossed(1)
        found.all_handled()
        with side.full_disks():
            found.until_crossed(1)
            side.seen(found.unstored, REFUSED_SECONDS)
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
        owed = {node: {event.id for event in found.events(node)} for node in side.nodes}
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
    """The negative control: an event of each way crosses while nothing wakes functions.

    Raises:
        LabError: in each try a function was running when its activator was stopped.
    """
    from_zero = {way.name for way in side.ways if way.from_zero}

    def at_zero() -> bool:
        return not any(from_zero & side.running(node) for node in side.nodes)

    found = Scene(side)
    for _ in range(STOP_TRIES):
        side.until("functions at zero", at_zero, ASLEEP_SECONDS)
        found.begin()
        with side.no_activators():
            # A function that an event has just woken would handle the next one too.
            if not at_zero():
                continue
            found.until_crossed(1)
            found.all_handled(2 * IDLE_SECONDS)
            found.evidence = {node: found.look(node) for node in side.nodes}
        found.all_handled()
        return found
    raise LabError(f"an activator was stopped {STOP_TRIES} times while a function ran")
