"""What listens on a node, by `ss -Hltnp` there, beside what is declared."""

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
    """A TCP socket that takes connections."""

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
    """What `COMMAND` has printed; LabError for a line that is none of its."""
    return tuple(_listener(line) for line in text.splitlines() if line.strip())


def _listener(line: str) -> Listener:
    found = _LINE.match(line.strip())
    if found is None:
        raise LabError(f"`{COMMAND}` has printed a line that says no listener: {line!r}")
    address = found["address"].partition("%")[0].strip("[]")
    if address != "*":
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as trouble:
            raise LabError(f"`{COMMAND}` has printed a strange address: {line!r}") from trouble
        mapped = getattr(parsed, "ipv4_mapped", None)
        address = str(mapped or parsed)
    program = _PROGRAM.search(found["users"] or "")
    return Listener(int(found["port"]), address, program[1] if program else "")


def undeclared(
    listeners: Iterable[Listener], endpoints: Iterable[Endpoint], unseen: Collection[str] = ()
) -> tuple[Listener, ...]:
    """What listens where another node reaches it, and is not declared for there.

    `unseen` are addresses of the node that are on no wire: that of its management NIC.
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
    """Endpoints that are declared, and that nothing listens at: their probes are no evidence."""
    ports = {listener.port for listener in listeners}
    return tuple(endpoint for endpoint in endpoints if endpoint.port not in ports)
