"""Faults of links, on a link that is a few lines of Python: each proves itself or is an error."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.fabric import CLEAR, CUT, DROP, DirectionState
from edge_lab.fabric.impairment import GilbertElliott
from edge_lab.fabric.state import Match
from edge_lab.faults.carrier import Carriers
from edge_lab.faults.families.link.injector import LinkInjector
from edge_lab.faults.kinds import Cut, Drop, Flap, HalfOpen, Impair, LinkFault, Profile
from edge_lab.faults.linkprober import LinkProber
from edge_lab.topology import Topology
from tests.faults.fake_link import FakeLink

FaultsOn = Callable[[FakeLink], LinkInjector]


HOPELESS = 0.02
"""Seconds to wait for what will not come."""


@pytest.fixture
def faults_on(default_topology: Topology) -> FaultsOn:
    def make(wire: FakeLink) -> LinkInjector:
        fabric: Any = wire
        machines: Any = {node.name: wire for node in default_topology.nodes}
        prober = LinkProber(
            default_topology, fabric, machines, lambda _: Deadline.after(wire.patience)
        )
        return LinkInjector(prober, Carriers(default_topology, fabric, machines))

    return make


LINK = "arm-cloud"

EACH: list[LinkFault] = [
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
def test_a_fault_is_set_seen_and_healed(faults_on: FaultsOn, fault: LinkFault) -> None:
    wire = FakeLink()
    faults = faults_on(wire)
    assert faults.inject(fault)
    assert not (wire.tx.is_clear and wire.rx.is_clear)
    assert faults.heal(fault)
    assert (wire.tx, wire.rx) == (CLEAR, CLEAR)


@by_title
def test_a_fault_without_effect_is_a_lab_error_and_nothing_of_it_is_left(
    faults_on: FaultsOn, fault: LinkFault
) -> None:
    wire = FakeLink(obeys=False, patience_with_a_fault=HOPELESS)
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(wire).inject(fault)
    assert (wire.tx, wire.rx) == (CLEAR, CLEAR)


@by_title
def test_a_wire_that_is_dead_already_proves_no_fault(faults_on: FaultsOn, fault: LinkFault) -> None:
    wire = FakeLink(dead=True, patience=HOPELESS)
    with pytest.raises(LabError):
        faults_on(wire).inject(fault)
    assert wire.history == []


@pytest.mark.parametrize("fault", [Cut(link=LINK), Impair(link=LINK, delay_ms=300)])
def test_a_wire_that_does_not_heal_is_a_lab_error(faults_on: FaultsOn, fault: LinkFault) -> None:
    wire = FakeLink(heals=False)
    faults = faults_on(wire)
    faults.inject(fault)
    wire.dead, wire.patience = True, HOPELESS
    # A direction that is not clear may let nothing pass: but then the fabric says so.
    wire.tx = wire.rx = CLEAR
    with pytest.raises(LabError, match="is healed"):
        faults.heal(fault)


def test_one_direction_is_cut_alone(faults_on: FaultsOn) -> None:
    wire = FakeLink()
    faults = faults_on(wire)
    faults.inject(Cut(link=LINK, direction="tx"))
    assert (wire.tx, wire.rx) == (CUT, CLEAR)
    faults.heal(Cut(link=LINK, direction="tx"))
    faults.inject(Drop(link=LINK, direction="rx"))
    assert (wire.tx, wire.rx) == (CLEAR, DROP)
    faults.heal(Drop(link=LINK, direction="rx"))
    assert (wire.tx, wire.rx) == (CLEAR, CLEAR)


def test_the_heal_of_one_direction_leaves_the_other_alone(faults_on: FaultsOn) -> None:
    wire = FakeLink()
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
    wire = FakeLink()
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
        faults_on(FakeLink(counts=False, patience_with_a_fault=HOPELESS)).inject(Drop(link=LINK))


def test_a_ping_that_ends_is_no_silence(faults_on: FaultsOn) -> None:
    with pytest.raises(LabError, match=r"the ping from edge-arm .* ended"):
        faults_on(FakeLink(ends=True)).inject(Drop(link=LINK))


def test_half_open_without_a_standing_connection_proves_nothing(faults_on: FaultsOn) -> None:
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(FakeLink(traffic=False, patience_with_a_fault=HOPELESS)).inject(
            HalfOpen(link=LINK)
        )


def test_a_delay_below_the_wires_own_cannot_be_proved(faults_on: FaultsOn) -> None:
    wire = FakeLink()
    with pytest.raises(InputError, match="cannot be distinguished"):
        faults_on(wire).inject(Impair(link=LINK, delay_ms=1))
    assert wire.history == []


def test_an_impairment_that_does_nothing_is_refused(faults_on: FaultsOn) -> None:
    with pytest.raises(InputError, match="has no effect"):
        faults_on(FakeLink()).inject(Impair(link=LINK))


def test_a_link_that_is_not_there_lists_those_that_are(faults_on: FaultsOn) -> None:
    with pytest.raises(InputError, match="arm-cloud"):
        faults_on(FakeLink()).inject(Cut(link="moon"))


def test_a_peer_singles_out_whom_is_asked(faults_on: FaultsOn) -> None:
    wire = FakeLink()
    server = Match(peer=IPv4Address("10.77.0.1"))
    assert "dropped" in faults_on(wire).inject(Drop(link=LINK, match=server))


@by_title
def test_a_wire_that_is_not_cleared_is_not_healed(faults_on: FaultsOn, fault: LinkFault) -> None:
    wire = FakeLink()
    faults = faults_on(wire)
    faults.inject(fault)
    wire.heals, wire.patience = False, HOPELESS
    with pytest.raises(LabError, match="is healed"):
        faults.heal(fault)


def test_what_happens_to_the_other_direction_proves_nothing(faults_on: FaultsOn) -> None:
    wire = FakeLink(rx=DirectionState(loss=0.3))
    faults = faults_on(wire)
    wire.set("", rx=DirectionState(loss=0.3))
    original = wire.set

    def deaf(link: str, *, tx: Any = None, rx: Any = None) -> None:
        """The direction that is to be lossy stays clear."""
        wire.patience = HOPELESS

    wire.set = deaf  # type: ignore[method-assign]
    with pytest.raises(LabError, match="no effect was seen"):
        faults.inject(Impair(link=LINK, loss=0.3, direction="tx"))
    wire.set = original  # type: ignore[method-assign]


def test_a_mixture_whose_delay_is_too_short_to_be_seen_heals_all_the_same(
    faults_on: FaultsOn,
) -> None:
    wire = FakeLink()
    faults = faults_on(wire)
    weak = Impair(link=LINK, delay_ms=0.2, loss=0.3)
    assert "lost frames" in faults.inject(weak)
    assert faults.heal(weak)


def test_a_flap_is_seen_by_a_ping_that_went_on_before(faults_on: FaultsOn) -> None:
    asked: list[str] = []
    wire = FakeLink()
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
        faults_on(FakeLink(dead=True, patience=HOPELESS)).inject(Cut(link=LINK))
