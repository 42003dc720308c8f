"""The outages of suites/metrics with metrics and faults that are made up: what is done to which
nodes, in which order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.metrics.names import SCRAPE_SECONDS
from edge_lab.addons.metrics.records import NANOSECONDS, Origin, Served
from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.fault import Fault
from edge_lab.faults.kinds import ClockJump, Cut, Kill, Profile
from edge_lab.faults.records import FaultRecord
from suites.edges import uplink
from suites.metrics.evidence import RESET
from suites.metrics.outages import (
    JUMP_SECONDS,
    Outage,
    clock_jump,
    clock_set_back,
    killed_while_offline,
    satellite_line,
    slow_line,
)
from suites.metrics.queries import Metrics

TOPOLOGY = load_topology(LABS / "edge-metrics.yaml")
PAUSE_AFTER = 45
"""The number after which a killed sender serves nothing for a while."""


@dataclass
class Recorded:
    """Faults that change nothing but this record."""

    active: list[Fault] = field(default_factory=list)
    injected: list[tuple[tuple[Fault, ...], tuple[Fault, ...]]] = field(default_factory=list)
    """Faults that were injected together, and those that were active then."""

    @contextlib.contextmanager
    def inflict_all(self, faults: Sequence[Fault]) -> Iterator[tuple[FaultRecord, ...]]:
        for fault in faults:
            assert not list(fault.objections(TOPOLOGY)), fault
        self.injected.append((tuple(faults), tuple(self.active)))
        self.active += faults
        began, seen = ((2 * PAUSE_AFTER + more) * NANOSECONDS for more in (1, 2))
        try:
            yield tuple(
                FaultRecord(id=number, fault=fault, began=began, seen=seen)
                for number, fault in enumerate(faults, 1)
            )
        finally:
            del self.active[-len(faults) :]


class MadeUp(Metrics):
    """Scrapes every two seconds, with a pause, and a longer one that no fault explains."""

    def numbers(self) -> dict[Origin, int]:
        return dict.fromkeys(self.keys, PAUSE_AFTER - 1)

    def until_served(self, more: int) -> dict[Origin, int]:
        return self.numbers()

    def served(self, node: str) -> Mapping[str, tuple[Served, ...]]:
        row = tuple(
            Served(
                number,
                (
                    2 * number
                    + (20 if number > PAUSE_AFTER else 0)
                    + (40 if number > PAUSE_AFTER + 5 else 0)
                )
                * NANOSECONDS,
            )
            for number in range(1, PAUSE_AFTER + 9)
        )
        return {sender.name: row for sender in self.senders}


@dataclass
class Ran:
    outage: Outage
    faults: Recorded
    metrics: Metrics
    watched: dict[str, Any]
    """With what its samples were waited for."""


Run = Callable[[Callable[[Metrics, FaultEngine], Outage]], Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs an outage without its wait for samples."""

    watches: list[dict[str, Any]] = []

    def watched(self: Outage, **how: Any) -> contextlib.AbstractContextManager[None]:
        watches.append(how)
        return contextlib.nullcontext()

    monkeypatch.setattr(Outage, "watched", watched)

    def go(make: Callable[[Metrics, FaultEngine], Outage]) -> Ran:
        metrics = MadeUp(cast("Any", SimpleNamespace(topology=TOPOLOGY)), Deadline.after)
        faults = Recorded()
        outage = make(metrics, cast("FaultEngine", faults))
        (how,) = watches
        return Ran(outage, faults, metrics, how)

    return go


def test_every_sender_is_killed_while_its_node_is_offline(run: Run) -> None:
    ran = run(killed_while_offline)
    (cuts, _), (kills, active) = ran.faults.injected
    assert active == cuts
    assert len([cut for cut in cuts if isinstance(cut, Cut)]) == len(ran.metrics.nodes)
    assert {(kill.node, kill.service) for kill in kills if isinstance(kill, Kill)} == {
        (node, sender.unit) for node in ran.metrics.nodes for sender in ran.metrics.senders
    }
    # What may be lost is what was served just before the kill, not before a stall of the host.
    assert ran.outage.marks[RESET] == dict.fromkeys(ran.metrics.keys, PAUSE_AFTER)


@pytest.mark.parametrize(("make", "profile"), [(slow_line, "edge"), (satellite_line, "geo")])
def test_every_uplink_behaves_like_the_line(
    run: Run, make: Callable[[Metrics, FaultEngine], Outage], profile: str
) -> None:
    ran = run(make)
    ((lines, _),) = ran.faults.injected
    named = [(line.link, line.name) for line in lines if isinstance(line, Profile)]
    assert named == [(uplink(ran.metrics.lab, node), profile) for node in ran.metrics.nodes]


@pytest.mark.parametrize(("make", "direction"), [(clock_jump, 1), (clock_set_back, -1)])
def test_every_clock_jumps_and_samples_of_its_time_are_looked_for(
    run: Run, make: Callable[[Metrics, FaultEngine], Outage], direction: int
) -> None:
    ran = run(make)
    ((jumps, _),) = ran.faults.injected
    moved = {jump.node: jump.seconds for jump in jumps if isinstance(jump, ClockJump)}
    assert moved.keys() == set(ran.metrics.nodes)
    for seconds in moved.values():
        assert seconds * direction >= JUMP_SECONDS
        assert ran.watched["ahead" if direction > 0 else "behind"] > abs(seconds)


def test_no_timestamp_comes_twice_when_the_clock_is_set_back(run: Run) -> None:
    """vmagent scrapes at multiples of the interval; the receiver refuses a second sample."""
    ((jumps, _),) = run(clock_set_back).faults.injected
    (back,) = {jump.seconds for jump in jumps if isinstance(jump, ClockJump)}
    assert back % SCRAPE_SECONDS == SCRAPE_SECONDS / 2
