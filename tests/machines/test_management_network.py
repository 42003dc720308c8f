"""What a guest reaches over its management NIC: nothing; only the host may open connections.

QEMU's user-mode network runs with the options of a machine, but without a machine: the frames of
the guest are the test's own. Nothing leaves this host: addresses beyond it are only tried where
the network is restricted.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edge_lab.core.ports import choose_ports
from edge_lab.machines import GuestSpec
from edge_lab.machines.domain import QEMU_NAMESPACE, domain_on_paper
from tests.machines.slirp import ACK, GATEWAY, NAME_SERVER, RST, SYN, Network, network

MakeSpec = Callable[..., GuestSpec]

NOWHERE = "192.0.2.1"
"""TEST-NET-1, RFC 5737."""


def netdevs(domain: str) -> list[str]:
    """The `-netdev` arguments of a domain."""
    arguments = [
        argument.attrib["value"]
        for argument in ET.fromstring(domain).iter(f"{{{QEMU_NAMESPACE}}}arg")
    ]
    return [arguments[at + 1] for at, name in enumerate(arguments) if name == "-netdev"]


def holes(domain: str) -> list[str]:
    """What of a domain's NICs lets its guest reach more than the fabric."""
    found = [
        f"interface {interface.get('type')}"
        for interface in ET.fromstring(domain).iter("interface")
        if interface.get("type") != "udp"
    ]
    for netdev in netdevs(domain):
        kind, *options = netdev.split(",")
        found += [netdev] if kind != "user" or "restrict=on" not in options else []
        for option in options:
            name, _, value = option.partition("=")
            if name == "hostfwd":
                found += [] if value.startswith("tcp:127.0.0.1:") else [option]
            elif name not in ("id", "restrict", "ipv6", "net"):
                found.append(option)
    return found


@pytest.mark.parametrize("node", ["server", "edge-arm", "edge-riscv"])
def test_the_nics_of_a_machine_lead_to_the_fabric_and_nowhere_else(
    node: str, make_spec: MakeSpec
) -> None:
    domain = domain_on_paper(make_spec(node), "tcg")
    assert len(netdevs(domain)) == 1
    assert holes(domain) == []


@pytest.mark.parametrize(
    ("was", "defect"),
    [
        (",restrict=on", ""),
        ("restrict=on", "restrict=off"),
        ("ipv6=off", "ipv6=off,guestfwd=tcp:10.0.2.100:80-cmd:cat"),
        ("ipv6=off", "ipv6=off,smb=/"),
        ("hostfwd=tcp:127.0.0.1:", "hostfwd=tcp::"),
        ('interface type="udp"', 'interface type="network"'),
    ],
)
def test_a_planted_hole_is_found(was: str, defect: str, make_spec: MakeSpec) -> None:
    domain = domain_on_paper(make_spec(), "tcg")
    assert was in domain
    assert holes(domain.replace(was, defect, 1))


# -- the network itself ----------------------------------------------------------------------------


@pytest.fixture
def netdev(make_spec: MakeSpec) -> str:
    """The management NIC of a machine, with ports that are free."""
    (found,) = netdevs(domain_on_paper(make_spec(), "tcg"))
    ssh, api = choose_ports(2)
    return found.replace(":21000-", f":{ssh}-").replace(":21001-", f":{api}-")


@pytest.fixture
def emulator() -> str:
    found = shutil.which("qemu-system-x86_64")
    if found is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    return str(Path(found))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        yield server


def is_refused(guest: Network, address: str, port: int) -> bool:
    """Whether a connection is answered by a reset."""
    guest.syn(address, port)
    answer = guest.segment(lambda segment: segment.source == address)
    return bool(answer.flags & RST)


@pytest.mark.slow(reason="starts QEMU")
def test_a_guest_reaches_neither_the_host_nor_anything_beyond(
    emulator: str, netdev: str, listener: socket.socket, receiver: socket.socket
) -> None:
    with network(emulator, netdev) as guest:
        assert is_refused(guest, GATEWAY, listener.getsockname()[1])
        assert is_refused(guest, NOWHERE, 80)
        assert is_refused(guest, NAME_SERVER, 53)
        guest.datagram(GATEWAY, receiver.getsockname()[1], b"hello")
        guest.datagram(NAME_SERVER, 53, b"hello")
        guest.barrier()
        for server in (listener, receiver):
            server.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        with pytest.raises(BlockingIOError):
            receiver.recv(100)


@pytest.mark.slow(reason="starts QEMU")
def test_without_the_restriction_the_host_is_reached(
    emulator: str, netdev: str, listener: socket.socket, receiver: socket.socket
) -> None:
    with network(emulator, netdev.replace("restrict=on", "restrict=off")) as guest:
        assert not is_refused(guest, GATEWAY, listener.getsockname()[1])
        listener.accept()[0].close()
        guest.datagram(GATEWAY, receiver.getsockname()[1], b"hello")
        assert receiver.recv(100) == b"hello"


@pytest.mark.slow(reason="starts QEMU")
def test_the_host_opens_connections_to_ssh(emulator: str, netdev: str) -> None:
    forwarded = int(netdev.split("hostfwd=tcp:127.0.0.1:")[1].split("-")[0])
    with (
        network(emulator, netdev) as guest,
        socket.create_connection(("127.0.0.1", forwarded), timeout=60),
    ):
        asked = guest.segment()
        assert (asked.source, asked.port) == (GATEWAY, 22)
        assert asked.flags & (SYN | ACK) == SYN
