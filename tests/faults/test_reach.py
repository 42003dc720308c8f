"""Who asks whom, so that what is asked crosses the link in question and fits the description."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from edge_lab.core.errors import InputError
from edge_lab.fabric.state import Direction, Match
from edge_lab.faults import reach
from edge_lab.faults.probe import WireProbe
from edge_lab.topology import Topology

TX, RX = Direction.TX, Direction.RX
SERVER, ARM, RISCV = "10.77.0.1", "10.77.0.11", "10.77.0.12"
ARM_PLANT, RISCV_PLANT, BOILER = "10.78.0.11", "10.78.0.12", "10.78.0.101"


def peer(address: str) -> Match:
    return Match(peer=IPv4Address(address))


@pytest.mark.parametrize(
    ("link", "address", "asker", "asks"),
    [
        ("arm-cloud", SERVER, "edge-arm", SERVER),
        ("arm-cloud", RISCV, "edge-arm", RISCV),
        ("arm-cloud", ARM, "edge-arm", SERVER),  # not itself, over no wire
        ("boiler-plant", BOILER, "edge-arm", BOILER),
        ("boiler-plant", RISCV_PLANT, "edge-riscv", BOILER),  # not past the link
        ("arm-plant", BOILER, "edge-arm", BOILER),
    ],
)
def test_a_ping_has_the_peer_and_crosses_the_link(
    default_topology: Topology, link: str, address: str, asker: str, asks: str
) -> None:
    found = reach.probe_of(default_topology, default_topology.link(link), peer(address))
    assert found == WireProbe(asker, asks)


@pytest.mark.parametrize("address", [BOILER, "10.77.0.99", "224.0.0.1", "127.0.0.1"])
def test_a_peer_that_no_frame_has_is_refused(default_topology: Topology, address: str) -> None:
    link = default_topology.link("arm-cloud")
    with pytest.raises(InputError) as refused:
        reach.probe_of(default_topology, link, peer(address))
    assert ARM in refused.value.remedy


@pytest.mark.parametrize(
    ("link", "directions", "asker", "to"),
    [
        ("arm-cloud", (TX, RX), "edge-arm", SERVER),
        ("arm-cloud", (TX,), "edge-arm", SERVER),
        ("arm-cloud", (RX,), "server", ARM),
        ("boiler-plant", (RX,), "edge-arm", BOILER),
        ("boiler-plant", (TX, RX), "edge-arm", BOILER),
    ],
)
def test_a_datagram_crosses_the_link_the_way_that_is_broken(
    default_topology: Topology, link: str, directions: tuple[Direction, ...], asker: str, to: str
) -> None:
    frames = Match(protocol="udp", ports=(53,))
    found = reach.datagram(default_topology, default_topology.link(link), frames, directions)
    assert found == reach.Service(asker, to, 53)


def test_a_device_sends_no_datagram_for_a_proof(default_topology: Topology) -> None:
    link = default_topology.link("boiler-plant")
    with pytest.raises(InputError):
        reach.datagram(default_topology, link, Match(protocol="udp"), (TX,))


def test_without_a_port_any_will_do(default_topology: Topology) -> None:
    link = default_topology.link("arm-cloud")
    tcp = next(reach.services(default_topology, link, Match(protocol="tcp")))
    assert tcp == reach.Service("edge-arm", SERVER, reach.DISCARD_PORT)
    assert reach.is_seen_by_tcp(Match(protocol="tcp"))
    assert reach.is_seen_by_tcp(Match(ports=(80,)))
    assert not reach.is_seen_by_tcp(peer(SERVER))
    assert not reach.is_seen_by_tcp(Match(protocol="udp", ports=(80,)))
