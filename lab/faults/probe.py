"""Probes that prove a fault of a link: pings and connections over it, asked for by SSH.

What a probe sends crosses the link in question; what starts it and brings its result back
goes over the management path, which no fault touches.
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
"""How long a connection may take: a lost SYN is sent again after one (RFC 6298)."""

MOST_IN_A_FRAME = 1500
"""Bytes of an IP packet."""

ICMP_OVERHEAD = 28
"""Bytes of the IPv4 and ICMP headers around a ping's payload."""


class Output(Protocol):
    """As much of a command's result as a probe reads."""

    @property
    def stdout(self) -> str: ...


class Stream(Protocol):
    """As much of a process whose output is read while it runs."""

    @property
    def stdout(self) -> Iterable[bytes] | None: ...

    def kill(self) -> None: ...

    def wait(self) -> int: ...


class Prober(Protocol):
    """As much of a machine as a probe needs."""

    def run(self, command: str, deadline: Deadline, check: bool = ...) -> Output: ...

    def stream(self, command: str, deadline: Deadline) -> Stream: ...

    def set_carrier(self, mac: str, up: bool) -> None: ...


@dataclass(frozen=True)
class Question:
    """One burst of pings."""

    count: int = 3
    interval: float = 0.2
    """Seconds between two."""
    packet: int = 84
    """Bytes of the IP packet; only one that is longer than a frame is sent in fragments."""
    wait: float = 1.0
    """Seconds to wait for the answer to the last one."""
    at_once: bool = False
    """As fast as the node can, whatever the interval."""

    @property
    def lasts(self) -> float:
        """Seconds, at most."""
        return self.count * self.interval + self.wait


@dataclass(frozen=True)
class Burst:
    """What became of a few pings."""

    sent: int
    received: int
    fastest: float = 0.0
    """Seconds for the way there and back; 0 if none came back."""
    slowest: float = 0.0
    duplicates: int = 0
    """Answers that came once more."""

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
    """Asks over one link: from `node` to `address`, the nearest other end."""

    node: str
    address: str

    @classmethod
    def over(cls, topology: Topology, link: Link) -> WireProbe:
        """The probe that crosses `link`, and of other links as few as can be.

        Raises:
            InputError: no node is at hand that could ask over it.
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
        """The shell command of pings that go on, for so many seconds at most.

        Each line bears the node's time, and there is one for each ping, answered or not.
        """
        return f"exec ping -n -D -O -M do -i {interval:g} -w {seconds:.0f} {self.address} 2>&1"

    def connect(self, port: int) -> str:
        """The shell command of one TCP connection; says connected, refused or lost."""
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
    """What ping printed, as numbers; LabError if it is no summary of ping."""
    counts = _COUNTS.search(output)
    if counts is None:
        # With its carrier down a node sends nothing at all.
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
    """Whether the other end was reached: a refusal has crossed the link too."""
    match output.split():
        case ["connected"] | ["refused"]:
            return True
        case ["lost"]:
            return False
        case _:
            raise LabError(f"unexpected output of the probe: {output.strip()!r}")
