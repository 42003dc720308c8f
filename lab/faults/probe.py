"""Probes that prove a fault of a link: pings and connections over it, started by SSH.

What a probe sends crosses the link in question; the command that starts it and its result use
the management path, which no fault affects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.topology import Link, Topology

CONNECT_SECONDS = 2
"""Seconds that a connection may take: a lost SYN is retransmitted after one (RFC 6298)."""

MOST_IN_A_FRAME = 1500
"""Bytes of an IP packet."""

ICMP_OVERHEAD = 28
"""Bytes of the IPv4 and ICMP headers around a ping's payload."""


class Output(Protocol):
    """The part of a command's result that a probe reads."""

    @property
    def stdout(self) -> str: ...


class Stream(Protocol):
    """The part of a process whose output is read while it runs."""

    @property
    def stdout(self) -> Iterable[bytes] | None: ...

    def kill(self) -> None: ...

    def wait(self) -> int: ...


class Prober(Protocol):
    """The part of a machine that a probe needs."""

    def run(self, command: str, deadline: Deadline, check: bool = ...) -> Output: ...

    def stream(self, command: str, deadline: Deadline) -> Stream: ...

    def set_carrier(self, mac: str, up: bool) -> None: ...


@dataclass(frozen=True)
class Question:
    """One burst of pings."""

    count: int = 3
    interval: float = 0.2
    """Seconds between two pings."""
    packet: int = 84
    """Bytes of the IP packet; only one that is longer than the MTU is fragmented."""
    wait: float = 1.0
    """Seconds to wait for the answer to the last one."""
    at_once: bool = False
    """Whether to send as fast as the node can, ignoring the interval."""

    @property
    def lasts(self) -> float:
        """Seconds, at most."""
        return self.count * self.interval + self.wait


@dataclass(frozen=True)
class Burst:
    """The result of a burst of pings."""

    sent: int
    received: int
    fastest: float = 0.0
    """Round-trip time, seconds; 0 if none was answered."""
    slowest: float = 0.0
    duplicates: int = 0
    """Duplicate answers."""

    @property
    def all_lost(self) -> bool:
        return self.received == 0

    @property
    def none_lost(self) -> bool:
        return self.received == self.sent

    def __str__(self) -> str:
        text = f"{self.received} of {self.sent} pings answered"
        if self.received:
            text += f", {self.fastest * 1000:.0f} to {self.slowest * 1000:.0f} ms"
        return text + (f", {self.duplicates} duplicates" if self.duplicates else "")


@dataclass(frozen=True)
class WireProbe:
    """Probes one link: from `node` to `address`, the nearest other end."""

    node: str
    address: str

    @classmethod
    def over(cls, topology: Topology, link: Link) -> WireProbe:
        """The probe that crosses `link`, and as few other links as possible.

        Raises:
            InputError: there is no node that could probe it.
        """
        nodes = {node.name for node in topology.nodes}
        neighbours = [
            other
            for other in topology.links
            if other.network == link.network and other.endpoint != link.endpoint
        ]
        near_nodes = [other for other in neighbours if other.endpoint in nodes]
        if link.endpoint not in nodes:
            if near_nodes:
                return cls(near_nodes[0].endpoint, str(link.address))
        elif neighbours:
            return cls(link.endpoint, str((near_nodes or neighbours)[0].address))
        raise InputError(
            f"no probe can cross the link {link.name!r}: there is no other link with a node at "
            f"either end on the network {link.network!r}"
        )

    def ping(self, question: Question) -> str:
        """The shell command of one burst."""
        whole = "-M do " if question.packet <= MOST_IN_A_FRAME else ""
        pace = f"-l {question.count}" if question.at_once else f"-i {question.interval:g}"
        return (
            f"ping -n {whole}-c {question.count} {pace} -W {question.wait:g} "
            f"-s {question.packet - ICMP_OVERHEAD} {self.address} 2>&1"
        )

    def ping_on(self, interval: float, seconds: float) -> str:
        """The shell command of continuous pings, for `seconds` at most.

        Each line has the node's time, and there is one for each ping, answered or not.
        """
        return f"exec ping -n -D -O -M do -i {interval:g} -w {seconds:.0f} {self.address} 2>&1"

    def connect(self, port: int) -> str:
        """The shell command of one TCP connection; prints connected, refused or lost."""
        return (
            f"said=$(timeout {CONNECT_SECONDS} bash -c "
            f"'exec 3<>/dev/tcp/{self.address}/{port}' 2>&1) && echo connected || "
            "case $said in *refused*) echo refused;; *) echo lost;; esac"
        )

    def __str__(self) -> str:
        return f"{self.node} to {self.address}"


_COUNTS = re.compile(
    r"(\d+) packets transmitted, (\d+) (?:packets )?received(?:, \+(\d+) duplicates)?"
)
_TIMES = re.compile(r"min/avg/max\S* = ([\d.]+)/[\d.]+/([\d.]+)")


def parse_ping(output: str) -> Burst:
    """Parses the output of ping; LabError if it has no summary."""
    counts = _COUNTS.search(output)
    if counts is None:
        # With its carrier down a node sends nothing.
        if "unreachable" in output.lower():
            return Burst(1, 0)
        raise LabError(
            f"ping printed no summary: {output.strip() or 'no output'}",
            remedy="Add ping (iputils-ping) to the root image.",
        )
    sent, received, duplicates = int(counts[1]), int(counts[2]), int(counts[3] or 0)
    times = _TIMES.search(output)
    if times is None or received == 0:
        return Burst(sent, 0)
    return Burst(sent, received, float(times[1]) / 1000, float(times[2]) / 1000, duplicates)


def parse_connect(output: str) -> bool:
    """Whether the other end was reached: a refusal has crossed the link as well."""
    match output.split():
        case ["connected"] | ["refused"]:
            return True
        case ["lost"]:
            return False
        case _:
            raise LabError(f"unexpected output of the probe: {output.strip()!r}")
