"""A guest can reach only its lab, neither the host nor anything beyond; and sshd of a node is only
reachable over the management path."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.nodes import LabNode
from edge_lab.machines import managementwall
from edge_lab.machines.guest import MANAGEMENT_ADDRESS, MANAGEMENT_NIC, SSH_PORT
from edge_lab.stacks.base import API_PORT
from suites.walls.attempts import Attempt, Outcome, outcomes

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Walls"), allure.feature("Reachability")]

GATEWAY = str(MANAGEMENT_ADDRESS.network[2])
NAME_SERVER = str(MANAGEMENT_ADDRESS.network[3])
OUTSIDE = "192.0.2.1"
"""TEST-NET-1 (RFC 5737), which is unused; all NICs of a guest are restricted."""


class HostServices:
    """A TCP and a UDP port on the host's loopback; neither may receive anything."""

    def __init__(self, tcp: socket.socket, udp: socket.socket) -> None:
        self._tcp, self._udp = tcp, udp

    @property
    def ports(self) -> tuple[int, int]:
        return self._tcp.getsockname()[1], self._udp.getsockname()[1]

    def touched(self) -> list[str]:
        """What has arrived so far."""
        found = []
        with suppress(BlockingIOError):
            self._tcp.accept()[0].close()
            found.append("a connection")
        with suppress(BlockingIOError):
            found.append(f"a datagram: {self._udp.recv(100)!r}")
        return found


@pytest.fixture
def host_services() -> Iterator[HostServices]:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        tcp.setblocking(False)
        udp.setblocking(False)
        yield HostServices(tcp, udp)


def nics(lab: Lab, node: LabNode) -> list[str]:
    """The NICs of a node: management, and one for each link."""
    return [MANAGEMENT_NIC, *(f"{link.network}0" for link in lab.topology.links_of(node.name))]


def api_server(lab: Lab, node: LabNode) -> Attempt:
    """What an edge node must be able to reach."""
    link = lab.topology.cluster_link(lab.topology.server.name)
    return Attempt(f"{link.network}0", str(link.address), API_PORT)


@allure.title("{node} reaches neither the host nor other networks")
def test_a_node_reaches_nothing_outside_its_lab(
    lab: Lab, node: LabNode, host_services: HostServices
) -> None:
    attempts = [
        Attempt(nic, address, port)
        for nic in nics(lab, node)
        for address, port in (
            *((GATEWAY, port) for port in host_services.ports),
            # The host's forwards to this lab; those of other labs are of the same kind.
            (GATEWAY, lab.state.ports.ssh[node.name]),
            (GATEWAY, lab.state.ports.api),
            (NAME_SERVER, 53),
        )
    ]
    attempts += [Attempt(nic, OUTSIDE, 80) for nic in nics(lab, node)]
    attempts.append(Attempt(MANAGEMENT_NIC, OUTSIDE, 80, gateway=GATEWAY))
    found = outcomes(node, attempts)
    reached = [str(attempt) for attempt, outcome in found.items() if outcome is Outcome.CONNECTED]
    assert not reached, f"{node} reaches {', '.join(reached)}"
    assert not host_services.touched()


@allure.title("{edge_node} reaches the API server (control)")
def test_what_is_meant_to_be_reached_is_reached(lab: Lab, edge_node: LabNode) -> None:
    api = api_server(lab, edge_node)
    assert outcomes(edge_node, [api]) == {api: Outcome.CONNECTED}


@allure.title("sshd of other nodes refuses {node} on each network that they share")
def test_sshd_listens_on_the_management_address_alone(lab: Lab, node: LabNode) -> None:
    shared = [link.network for link in lab.topology.links_of(node.name)]
    nodes = {other.name for other in lab.topology.nodes} - {node.name}
    attempts = [
        Attempt(f"{link.network}0", str(link.address), SSH_PORT)
        for link in lab.topology.links
        if link.network in shared and link.endpoint in nodes
    ]
    assert attempts, "no other node to try"
    found = outcomes(node, attempts)
    not_refused = [
        f"{at}: {outcome}" for at, outcome in found.items() if outcome is not Outcome.REFUSED
    ]
    assert not not_refused, ", ".join(not_refused)
    # The same check has another result where sshd does listen.
    own = Attempt("", str(MANAGEMENT_ADDRESS.ip), SSH_PORT)
    assert outcomes(node, [own]) == {own: Outcome.CONNECTED}


def by_a_route(lab: Lab, node: LabNode) -> list[tuple[str, Attempt]]:
    """Attempts from a node at sshd of its neighbours, by a route to their management address."""
    address = str(MANAGEMENT_ADDRESS.ip)
    shared = [link.network for link in lab.topology.links_of(node.name)]
    nodes = {other.name for other in lab.topology.nodes} - {node.name}
    return [
        (link.endpoint, Attempt(f"{link.network}0", address, SSH_PORT, gateway=str(link.address)))
        for link in lab.topology.links
        if link.network in shared and link.endpoint in nodes
    ]


@allure.title("sshd of other nodes does not answer {node} over a route to their management address")
def test_a_route_to_the_management_address_of_a_neighbour_leads_nowhere(
    lab: Lab, node: LabNode
) -> None:
    attempts = [attempt for _, attempt in by_a_route(lab, node)]
    assert attempts, "no other node to try"
    found = outcomes(node, attempts)
    not_silent = [
        f"{at}: {outcome}" for at, outcome in found.items() if outcome is not Outcome.SILENT
    ]
    assert not not_silent, ", ".join(not_silent)


@allure.title(
    "Without its wall, a neighbour's management address answers {edge_node} over a route (control)"
)
def test_a_route_leads_to_a_neighbour_without_a_wall(
    lab: Lab, edge_node: LabNode, lab_node: Callable[[str], LabNode]
) -> None:
    """The control: the silent address exists, and the route leads to it."""
    name, attempt = by_a_route(lab, edge_node)[0]
    neighbour = lab_node(name)
    try:
        neighbour.output(managementwall.UNLOAD)
        without = outcomes(edge_node, [attempt])
    finally:
        neighbour.output(managementwall.LOAD)
    assert without == {attempt: Outcome.CONNECTED}
    assert outcomes(edge_node, [attempt]) == {attempt: Outcome.SILENT}
