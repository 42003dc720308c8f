"""Faults of a link with a real port: injected, proved and healed as on any other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.fabric.state import Match
from edge_lab.faults.carrier import Carriers
from edge_lab.faults.families.link.injector import LinkInjector
from edge_lab.faults.kinds import Cut, Drop, HalfOpen, Impair, LinkFault
from edge_lab.faults.linkprober import LinkProber
from edge_lab.topology import Topology, parse_topology
from tests.fabric.host_site import (
    BOILER,
    NODE,
    POLL,
    STATION,
    STATION_LINK,
    HostSite,
    NamespaceMachine,
)

pytestmark = pytest.mark.slow(reason="a fabric, a device and two network stacks as processes")

TOPOLOGY = f"""\
name: port
stacks: [kubernetes+kubelet]
networks:
  - {{name: plant, subnet: 10.78.0.0/24}}
nodes:
  - {{name: edge, arch: x86_64, role: server}}
links:
  - {{name: edge-plant, endpoint: edge, network: plant, address: {NODE}}}
  - {{name: {STATION_LINK}, endpoint: plc, network: plant, address: {STATION}, host-interface: eth1,
     port: 502}}
  - {{name: boiler-plant, endpoint: boiler, network: plant, address: {BOILER}}}
devices:
  - {{name: boiler, protocol: modbus-tcp}}
"""

FAULTS: list[LinkFault] = [
    Cut(link=STATION_LINK),
    Drop(link=STATION_LINK, direction="tx"),
    Drop(link=STATION_LINK, match=Match(protocol="tcp")),
    Impair(link=STATION_LINK, loss=0.5),
    Impair(link=STATION_LINK, delay_ms=300, direction="rx"),
    Impair(link=STATION_LINK, mtu=1000),
]


@pytest.fixture(scope="module")
def topology() -> Topology:
    return parse_topology(TOPOLOGY)


@pytest.fixture(scope="module")
def injector(port_site: HostSite, topology: Topology) -> LinkInjector:
    machines = {"edge": NamespaceMachine(port_site.node)}
    prober = LinkProber(topology, port_site.fabric, machines, lambda _: Deadline.after(120))
    return LinkInjector(prober, Carriers(topology, port_site.fabric, machines))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
def test_a_fault_is_seen_and_so_is_its_heal(
    injector: LinkInjector, topology: Topology, fault: LinkFault
) -> None:
    assert not list(fault.objections(topology))
    assert injector.inject(fault)
    assert injector.heal(fault)


def test_half_open_lets_a_standing_connection_die(
    port_site: HostSite, injector: LinkInjector, tmp_path: Path
) -> None:
    """The node's connections to a service of the station; the station polls, as a PLC does."""
    fault = HalfOpen(link=STATION_LINK)
    with (
        port_site.station.running(sys.executable, "-c", SERVE, STATION),
        port_site.node.running(sys.executable, "-c", POLL, STATION) as client,
    ):
        assert client.stdout is not None
        assert client.stdout.readline() == b"answer".hex() + "\n"  # a connection stands
        said = injector.inject(fault)
        assert "established connections dropped" in said
        assert injector.heal(fault)


SERVE = """
import socket, sys, threading
def serve(line):
    try:
        while line.recv(100):
            line.sendall(b"answer")
    except OSError:
        pass
server = socket.create_server((sys.argv[1], 502))
while True:
    line, _ = server.accept()
    threading.Thread(target=serve, args=(line,), daemon=True).start()
"""
