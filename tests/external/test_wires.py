"""The unit that gives an external node its addresses and routes, in a network namespace."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from edge_lab.machines.external.handover import WIRES_SCRIPT, wire_files
from edge_lab.machines.guest import Route, WireNic
from tests.namespaces import Namespace, new_namespace

NIC = WireNic(
    "eth1",
    "",
    IPv4Interface("10.77.0.2/24"),
    0,
    0,
    (Route(IPv4Network("10.42.1.0/24"), IPv4Address("10.77.0.1")),),
)
SCRIPT = next(file for file in wire_files([NIC]) if file.path == WIRES_SCRIPT).content.decode()


@pytest.fixture
def machine() -> Iterator[Namespace]:
    """A machine whose eth1 is down and has no address; its other end is nowhere."""
    with new_namespace() as namespace:
        namespace.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "far")
        namespace.run("ip", "link", "set", "far", "up")
        yield namespace


def run(machine: Namespace, what: str) -> None:
    machine.run("sh", "-c", SCRIPT, "wires", what)


def seen(machine: Namespace) -> tuple[str, str]:
    """Addresses and routes of eth1."""
    addresses = machine.run("ip", "-o", "-4", "address", "show", "dev", "eth1")
    return addresses, machine.run("ip", "route", "show", "dev", "eth1")


def test_an_interface_is_as_it_was_before(machine: Namespace) -> None:
    before = seen(machine)
    for _ in range(2):
        run(machine, "up")
        addresses, routes = seen(machine)
        assert "10.77.0.2/24" in addresses
        assert "10.42.1.0/24 via 10.77.0.1" in routes
        run(machine, "down")
        assert seen(machine) == before
        assert "UP" not in machine.run("ip", "link", "show", "dev", "eth1").split("mtu")[0]


def test_an_address_that_it_had_itself_stays(machine: Namespace) -> None:
    machine.run("ip", "link", "set", "eth1", "up")
    machine.run("ip", "address", "add", "10.77.0.2/24", "dev", "eth1")
    before = seen(machine)
    run(machine, "up")
    run(machine, "down")
    assert seen(machine) == before


def test_a_machine_without_the_interface_says_so(machine: Namespace) -> None:
    machine.run("ip", "link", "delete", "eth1")
    assert machine.try_run("sh", "-c", SCRIPT, "wires", "up").returncode != 0
