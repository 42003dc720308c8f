"""Faults on wires, on a wire that is a few lines of Python: each proves itself or is an error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.fabric import CLEAR, CUT, DROP, Counters, DirectionState, LinkCounters, Mode, Reason
from edge_lab.fabric.state import GilbertElliott, Match
from edge_lab.faults.kinds import Cut, Drop, Flap, HalfOpen, Impair, Profile, WireFault
from edge_lab.faults.overwire import OverWire
from edge_lab.faults.wires import WireFaults
from edge_lab.topology import Topology


class FakePing:
    """As much of the process of a ping that goes on, at a hundred times its speed."""

    def __init__(self, answered: Callable[[], bool], ends: bool) -> None:
        self._answered = answered
        self._last = 5 if ends else 10**6
        self.killed = False

    @property
    def stdout(self) -> Iterator[bytes]:
        yield b"PING 10.77.0.1 (10.77.0.1) 56(84) bytes of data.\n"
        for number in range(1, self._last):
            if self.killed:
                return
            time.sleep(0.0005)
            at = f"[{1000 + number * 0.05:.6f}]"
            if self._answered():
                answer = f"64 bytes from 10.77.0.1: icmp_seq={number} ttl=64 time=5.00 ms"
                yield f"{at} {answer}\n".encode()
            else:
                yield f"{at} no answer yet for icmp_seq={number}\n".encode()

    def kill(self) -> None:
        self.killed = True

    def wait(self) -> int:
        return 0


@dataclass
class FakeWire:
    """One link's states, and the fate of what crosses it."""

    tx: DirectionState = CLEAR
    rx: DirectionState = CLEAR
    counted: dict[str, Counters] = field(
        default_factory=lambda: {"tx": Counters(), "rx": Counters()}
    )
    obeys: bool = True
    """False: faults are accepted and do nothing."""
    heals: bool = True
    dead: bool = False
    counts: bool = True
    traffic: bool = True
    """Standing connections send frames now and then."""
    ends: bool = False
    """The ping that goes on does not."""
    patience: float = 30.0
    """Seconds that a proof may take: ample where it succeeds, whatever else the host is doing."""
    _flapped: int = 0
    history: list[tuple[str, str]] = field(default_factory=list)
    carrier: list[tuple[str, bool]] = field(default_factory=list)

    # As FabricClient
    def link(self, name: str) -> SimpleNamespace:
        for way, state in self._ways.items():
            if state.mode is Mode.HALF_OPEN and self.traffic:
                self._count(way, Reason.HALF_OPEN, 1)
        return SimpleNamespace(tx=self.tx, rx=self.rx, counters=LinkCounters(**self.counted))

    def set(
        self, link: str, *, tx: DirectionState | None = None, rx: DirectionState | None = None
    ) -> None:
        tx, rx = tx or self.tx, rx or self.rx
        self.history.append((str(tx), str(rx)))
        if self.heals or not (tx.is_clear and rx.is_clear):
            self.tx, self.rx = tx, rx

    # As Machine
    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        if "/dev/udp/" in command:
            self._match("udp", int(command.split("/")[-1].rstrip("'")))
            return SimpleNamespace(stdout="")
        if "/dev/tcp/" in command:
            port = int(command.split("/dev/tcp/")[1].split("/")[1].split("'")[0])
            lost = self.dead or any(each.is_closed for each in self._ways.values())
            lost = lost or self._match("tcp", port)
            return SimpleNamespace(stdout="lost\n" if lost else "connected\n")
        words = command.split()
        count, size = int(words[words.index("-c") + 1]), int(words[words.index("-s") + 1])
        return SimpleNamespace(stdout=self._ping(count, size + 28))

    def stream(self, command: str, deadline: Deadline) -> FakePing:
        assert "ping -n -D -O" in command
        return FakePing(lambda: " 0 received" not in self._ping(1, 84), self.ends)

    def _ping(self, count: int, packet: int) -> str:
        received, times, twice = count, [5.0] * count, 0
        for way, state in self._ways.items():
            closed = {Mode.CUT: Reason.CUT, Mode.DROP: Reason.DROP}.get(state.mode)
            lost = count if state.is_closed or self._match("icmp", 0) else 0
            if lost:
                self._count(way, closed or Reason.DROP, lost)
            if state.mtu and packet > state.mtu:
                lost = count
                self._count(way, Reason.MTU, count)
            part = state.burst_loss.loss if state.burst_loss else state.loss
            if part:
                lost = max(lost, round(count * part))
                self._count(way, Reason.LOSS, round(count * part))
            if state.corrupt and round(count * state.corrupt):
                lost = max(lost, 1)
                self._add(way, corrupted=1)
            if state.flap:
                self._flapped += 1
                gone = count // 4 if count > 1 else self._flapped // 8 % 2
                lost = max(lost, gone)
                self._count(way, Reason.FLAP, gone)
            received = max(0, received - lost)
            twice += round(count * state.duplicate)
            self._add(way, copies=round(count * state.duplicate))
            late = [state.delay_ms] * count
            if state.reorder:
                late[:: round(1 / state.reorder)] = [0.0] * len(late[:: round(1 / state.reorder)])
            if state.rate_kbit:
                bits = [each * packet * 8 for each in range(count)]
                late = [a + b / state.rate_kbit for a, b in zip(late, bits, strict=True)]
            times = [a + b for a, b in zip(times, late, strict=True)]
        if self.dead:
            received = 0
        again = f"+{twice} duplicates, " if twice else ""
        text = f"{count} packets transmitted, {received} received, {again}some packet loss\n"
        if received:
            text += f"rtt min/avg/max/mdev = {min(times)}/1/{max(times)}/0 ms\n"
        return text

    def set_carrier(self, mac: str, up: bool) -> None:
        self.carrier.append((mac, up))

    @property
    def _ways(self) -> dict[str, DirectionState]:
        return {"tx": self.tx, "rx": self.rx} if self.obeys else {}

    def _match(self, protocol: str, port: int) -> bool:
        """Whether such a frame vanishes by a selective drop; counted if so."""
        for way, state in self._ways.items():
            frames = state.match
            if frames is None:
                continue
            fits = frames.protocol in (None, protocol) and (
                not frames.ports or port in frames.ports
            )
            if fits:
                self._count(way, Reason.DROP, 1)
                return True
        return False

    def _count(self, way: str, reason: Reason, frames: int) -> None:
        if self.counts:
            dropped = self.counted[way].dropped
            self._add(way, dropped={**dropped, reason: dropped.get(reason, 0) + frames})

    def _add(self, way: str, **change: Any) -> None:
        """Numbers are added, the rest is put in its place."""
        now = self.counted[way]
        added = {
            name: getattr(now, name) + value if isinstance(value, int) else value
            for name, value in change.items()
        }
        self.counted[way] = now.model_copy(update=added)


FaultsOn = Callable[[FakeWire], WireFaults]


HOPELESS = 0.2
"""Seconds to wait for what will not come."""


@pytest.fixture
def faults_on(default_topology: Topology) -> FaultsOn:
    def make(wire: FakeWire) -> WireFaults:
        fabric: Any = wire
        machines: Any = {node.name: wire for node in default_topology.nodes}
        return WireFaults(
            OverWire(default_topology, fabric, machines, lambda _: Deadline.after(wire.patience))
        )

    return make


LINK = "arm-cloud"

EACH: list[WireFault] = [
    Cut(link=LINK),
    Drop(link=LINK),
    Drop(link=LINK, match=Match(protocol="tcp", ports=(6443,))),
    Drop(link=LINK, match=Match(protocol="udp", ports=(53,))),
    Drop(link=LINK, match=Match(protocol="tcp")),
    Drop(link=LINK, match=Match(protocol="udp"), direction="rx"),
    Drop(link=LINK, match=Match(protocol="icmp")),
    HalfOpen(link=LINK),
    Flap(link=LINK, period_s=2, count=3),
    Flap(link=LINK, period_s=0.5, count=1),
    Profile(link=LINK, name="3g"),
    Profile(link=LINK, name="geo"),
    Impair(link=LINK, delay_ms=300),
    Impair(link=LINK, delay_ms=300, direction="rx"),
    Impair(link=LINK, loss=0.2),
    Impair(link=LINK, burst_loss=GilbertElliott(p=0.1, r=0.3)),
    Impair(link=LINK, duplicate=0.2),
    Impair(link=LINK, delay_ms=200, reorder=0.2),
    Impair(link=LINK, corrupt=0.2),
    Impair(link=LINK, rate_kbit=256),
    Impair(link=LINK, rate_kbit=256, loss=0.1),
    Impair(link=LINK, mtu=1000),
    Impair(link=LINK, rate_kbit=256, mtu=500),
    Impair(link=LINK, delay_ms=100, loss=0.1, mtu=1200, duplicate=0.1),
]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)


@by_title
def test_a_fault_is_set_seen_and_healed(faults_on: FaultsOn, fault: WireFault) -> None:
    wire = FakeWire()
    faults = faults_on(wire)
    assert faults.inject(fault)
    assert not (wire.tx.is_clear and wire.rx.is_clear)
    assert faults.heal(fault)
    assert (wire.tx, wire.rx) == (CLEAR, CLEAR)


@by_title
def test_a_fault_without_effect_is_a_lab_error_and_nothing_of_it_is_left(
    faults_on: FaultsOn, fault: WireFault
) -> None:
    wire = FakeWire(obeys=False, patience=HOPELESS)
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(wire).inject(fault)
    assert (wire.tx, wire.rx) == (CLEAR, CLEAR)


@by_title
def test_a_wire_that_is_dead_already_proves_no_fault(faults_on: FaultsOn, fault: WireFault) -> None:
    wire = FakeWire(dead=True, patience=HOPELESS)
    with pytest.raises(LabError):
        faults_on(wire).inject(fault)
    assert wire.history == []


@pytest.mark.parametrize("fault", [Cut(link=LINK), Impair(link=LINK, delay_ms=300)])
def test_a_wire_that_does_not_heal_is_a_lab_error(faults_on: FaultsOn, fault: WireFault) -> None:
    wire = FakeWire(heals=False)
    faults = faults_on(wire)
    faults.inject(fault)
    wire.dead, wire.patience = True, HOPELESS
    # A direction that is not clear may let nothing pass: but then the fabric says so.
    wire.tx = wire.rx = CLEAR
    with pytest.raises(LabError, match="is healed"):
        faults.heal(fault)


def test_one_direction_is_cut_alone(faults_on: FaultsOn) -> None:
    wire = FakeWire()
    faults = faults_on(wire)
    faults.inject(Cut(link=LINK, direction="tx"))
    assert (wire.tx, wire.rx) == (CUT, CLEAR)
    faults.heal(Cut(link=LINK, direction="tx"))
    faults.inject(Drop(link=LINK, direction="rx"))
    assert (wire.tx, wire.rx) == (CLEAR, DROP)
    faults.heal(Drop(link=LINK, direction="rx"))
    assert (wire.tx, wire.rx) == (CLEAR, CLEAR)


def test_the_heal_of_one_direction_leaves_the_other_alone(faults_on: FaultsOn) -> None:
    wire = FakeWire()
    faults = faults_on(wire)
    slow = Impair(link=LINK, delay_ms=300, direction="tx")
    faults.inject(slow)
    lossy = Impair(link=LINK, loss=0.3, direction="rx")
    faults.inject(lossy)
    faults.heal(slow)
    assert wire.tx.is_clear
    assert wire.rx.loss == 0.3


def test_only_a_cable_that_is_out_takes_the_carrier_and_gives_it_back(
    faults_on: FaultsOn, default_topology: Topology
) -> None:
    mac = default_topology.mac(default_topology.link(LINK))
    wire = FakeWire()
    faults = faults_on(wire)
    faults.inject(Cut(link=LINK))
    assert wire.carrier == [(mac, False)]
    faults.heal(Cut(link=LINK))
    assert wire.carrier == [(mac, False), (mac, True)]
    for quiet in (Drop(link=LINK), HalfOpen(link=LINK)):
        faults.inject(quiet)
        faults.heal(quiet)
    assert len(wire.carrier) == 2


def test_silence_without_a_dropped_frame_is_no_drop(faults_on: FaultsOn) -> None:
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(FakeWire(counts=False, patience=HOPELESS)).inject(Drop(link=LINK))


def test_a_ping_that_ends_is_no_silence(faults_on: FaultsOn) -> None:
    with pytest.raises(LabError, match=r"the ping from edge-arm .* has ended"):
        faults_on(FakeWire(ends=True)).inject(Drop(link=LINK))


def test_half_open_without_a_standing_connection_proves_nothing(faults_on: FaultsOn) -> None:
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(FakeWire(traffic=False, patience=HOPELESS)).inject(HalfOpen(link=LINK))


def test_a_delay_below_the_wires_own_cannot_be_proved(faults_on: FaultsOn) -> None:
    wire = FakeWire()
    with pytest.raises(InputError, match="cannot be told"):
        faults_on(wire).inject(Impair(link=LINK, delay_ms=1))
    assert wire.history == []


def test_an_impairment_that_does_nothing_is_refused(faults_on: FaultsOn) -> None:
    with pytest.raises(InputError, match="does nothing"):
        faults_on(FakeWire()).inject(Impair(link=LINK))


def test_a_link_that_is_not_there_lists_those_that_are(faults_on: FaultsOn) -> None:
    with pytest.raises(InputError, match="arm-cloud"):
        faults_on(FakeWire()).inject(Cut(link="moon"))


def test_a_peer_singles_out_whom_is_asked(faults_on: FaultsOn) -> None:
    wire = FakeWire()
    server = Match(peer=IPv4Address("10.77.0.1"))
    assert "dropped" in faults_on(wire).inject(Drop(link=LINK, match=server))


@by_title
def test_a_wire_that_is_not_cleared_is_not_healed(faults_on: FaultsOn, fault: WireFault) -> None:
    wire = FakeWire()
    faults = faults_on(wire)
    faults.inject(fault)
    wire.heals, wire.patience = False, HOPELESS
    with pytest.raises(LabError, match="is healed"):
        faults.heal(fault)


def test_what_befalls_the_other_direction_proves_nothing(faults_on: FaultsOn) -> None:
    wire = FakeWire(rx=DirectionState(loss=0.3), patience=HOPELESS)
    faults = faults_on(wire)
    wire.set("", rx=DirectionState(loss=0.3))
    original = wire.set

    def deaf(link: str, *, tx: Any = None, rx: Any = None) -> None:
        """The direction that is to be lossy stays clear."""

    wire.set = deaf  # type: ignore[method-assign]
    with pytest.raises(LabError, match="no effect was seen"):
        faults.inject(Impair(link=LINK, loss=0.3, direction="tx"))
    wire.set = original  # type: ignore[method-assign]


def test_a_mixture_whose_delay_is_too_short_to_be_seen_heals_all_the_same(
    faults_on: FaultsOn,
) -> None:
    wire = FakeWire()
    faults = faults_on(wire)
    weak = Impair(link=LINK, delay_ms=0.2, loss=0.3)
    assert "lost frames" in faults.inject(weak)
    assert faults.heal(weak)


def test_a_flap_is_seen_by_a_ping_that_went_on_before(faults_on: FaultsOn) -> None:
    asked: list[str] = []
    wire = FakeWire()
    original = wire.run

    def run(command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        asked.append(command)
        return original(command, deadline, check)

    wire.run = run  # type: ignore[method-assign]
    assert faults_on(wire).inject(Flap(link=LINK, period_s=90, count=3))
    assert asked == []
    assert wire.history == [(str(wire.tx), str(wire.rx))]


def test_what_proves_a_fault_is_asked_within_the_time_limit(faults_on: FaultsOn) -> None:
    with pytest.raises(DeadlineExceeded, match="carries frames before the fault"):
        faults_on(FakeWire(dead=True, patience=HOPELESS)).inject(Cut(link=LINK))
