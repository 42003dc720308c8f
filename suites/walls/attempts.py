"""Connection attempts from one NIC of a node, by a program that runs in the guest."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from edge_lab.fixtures.nodes import LabNode


class Outcome(StrEnum):
    CONNECTED = "connected"
    REFUSED = "refused"
    """By a reset, or by an ICMP message."""
    UNREACHABLE = "unreachable"
    """No route, or no answer to ARP."""
    SILENT = "silent"


@dataclass(frozen=True)
class Attempt:
    """One TCP connection and one UDP datagram by one NIC."""

    nic: str
    """If empty, the NIC is chosen by the routes."""
    address: str
    port: int
    gateway: str = ""
    """If set, the address is tried through this gateway, with a temporary route."""

    def __str__(self) -> str:
        by = f" by {self.gateway}" if self.gateway else ""
        return f"{self.nic or 'any NIC'} to {self.address}:{self.port}{by}"


WAIT_SECONDS = 3
"""Timeout of an attempt by the guest's clock; a SYN is repeated once within it."""

_PROGRAM = """
import json, socket, subprocess, sys
SECONDS = float(sys.argv[2])
def bind(sender, nic):
    if nic:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, nic.encode())
def connected(nic, address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        bind(sender, nic)
        try:
            sender.sendto(b"edge-lab", (address, port))
        except OSError:
            pass
    with socket.socket() as client:
        bind(client, nic)
        client.settimeout(SECONDS)
        try:
            client.connect((address, port))
        except ConnectionError:
            return "refused"
        except TimeoutError:
            return "silent"
        except OSError:
            return "unreachable"
        return "connected"
def tried(nic, address, port, gateway):
    if not gateway:
        return connected(nic, address, port)
    route = [address + "/32", "via", gateway, "dev", nic]
    # An answer from an address that this machine has, too, is not dropped here.
    setting = f"/proc/sys/net/ipv4/conf/{nic}/accept_local"
    with open(setting) as file:
        before = file.read()
    subprocess.run(["ip", "route", "add", *route], check=True)
    try:
        with open(setting, "w") as file:
            file.write("1")
        return connected(nic, address, port)
    finally:
        with open(setting, "w") as file:
            file.write(before)
        subprocess.run(["ip", "route", "del", *route], check=True)
print(json.dumps([tried(**attempt) for attempt in json.loads(sys.argv[1])]))
"""


def command(attempts: Sequence[Attempt]) -> str:
    """The shell command that makes the attempts in sequence, as root."""
    asked = json.dumps([asdict(attempt) for attempt in attempts])
    return f"python3 -I -c {shlex.quote(_PROGRAM)} {shlex.quote(asked)} {WAIT_SECONDS}"


def outcomes(node: LabNode, attempts: Sequence[Attempt]) -> dict[Attempt, Outcome]:
    """The result of each attempt."""
    text = node.output(command(attempts), seconds=60 + 2 * WAIT_SECONDS * len(attempts))
    return dict(zip(attempts, map(Outcome, json.loads(text)), strict=True))
