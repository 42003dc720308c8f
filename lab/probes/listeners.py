"""The listening sockets of a node (`ss -Hltnp`), compared with the declared endpoints."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.probes.endpoint import Endpoint, Reach

COMMAND = "ss -Hltnp"

_LINE = re.compile(
    r"^LISTEN\s+\d+\s+\d+\s+(?P<address>\S+):(?P<port>\d+)\s+\S+(?:\s+(?P<users>users:\S.*))?$"
)
_PROGRAM = re.compile(r'\("((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, order=True)
class Listener:
    """A listening TCP socket."""

    port: int
    address: str
    """`*` for all."""
    program: str = ""

    @property
    def everywhere(self) -> bool:
        return self.address in ("*", "0.0.0.0", "::")

    @property
    def is_loopback(self) -> bool:
        return not self.everywhere and ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        return f"{self.address}:{self.port} ({self.program or 'unknown program'})"


def listeners_of(text: str) -> tuple[Listener, ...]:
    """Parses the output of `COMMAND`; LabError for an invalid line."""
    return tuple(_listener(line) for line in text.splitlines() if line.strip())


def _listener(line: str) -> Listener:
    found = _LINE.match(line.strip())
    if found is None:
        raise LabError(f"`{COMMAND}` printed a line that is not a listener: {line!r}")
    address = found["address"].partition("%")[0].strip("[]")
    if address != "*":
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as trouble:
            raise LabError(f"`{COMMAND}` printed an invalid address: {line!r}") from trouble
        mapped = getattr(parsed, "ipv4_mapped", None)
        address = str(mapped or parsed)
    program = _PROGRAM.search(found["users"] or "")
    return Listener(int(found["port"]), address, program[1] if program else "")


def undeclared(
    listeners: Iterable[Listener], endpoints: Iterable[Endpoint], unseen: Collection[str] = ()
) -> tuple[Listener, ...]:
    """Listeners that another node can reach without being declared as reachable.

    `unseen` are addresses of the node that are on no link: that of its management NIC.
    """
    declared = {endpoint.port for endpoint in endpoints if endpoint.reach is Reach.WIRE}
    return tuple(
        sorted(
            listener
            for listener in set(listeners)
            if not listener.is_loopback
            and listener.address not in unseen
            and listener.port not in declared
        )
    )


def missing(listeners: Iterable[Listener], endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Declared endpoints without a listener: their probes are no evidence."""
    ports = {listener.port for listener in listeners}
    return tuple(endpoint for endpoint in endpoints if endpoint.port not in ports)
