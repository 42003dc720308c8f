"""Stages that pass or drop frames by their content, without randomness or delay."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import FrameBuffer, Run, count
from edge_lab.fabric.headers import ETHERNET, ICMP, SYN, TCP, UDP, packet, ports, segment
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.snapshots import Memory
from edge_lab.fabric.stages.flight import Filter, Flight, Tally
from edge_lab.fabric.state import FlapTimes, Match

MOST_CONNECTIONS = 4_096
"""Maximum number of connections that a half-open direction tracks; the least recently used
one is dropped first."""

_PROTOCOLS = {"icmp": ICMP, "tcp": TCP, "udp": UDP}


class Gate(Filter):
    """Passes or drops frames. Frames in transit pass it again when they are due."""

    name = "gate"


class Closed(Gate):
    """Drops all frames: cut or drop."""

    def __init__(self, reason: Reason) -> None:
        self._reason = reason

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        tally.drop(self._reason, count(runs))
        return []


class Selective(Gate):
    """Drops the frames that match."""

    def __init__(self, match: Match) -> None:
        self._protocol = _PROTOCOLS[match.protocol] if match.protocol else None
        self._peer = match.peer.packed if match.peer else None
        self._ports = frozenset(match.ports)

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        return sifted(buffer, runs, self._fits, Reason.DROP, tally)

    def _fits(self, frame: memoryview) -> bool:
        found = packet(frame)
        if found is None or self._protocol not in (None, found.protocol):
            return False
        if self._peer not in (None, found.source, found.target):
            return False
        return not self._ports or not self._ports.isdisjoint(ports(frame, found) or ())


class HalfOpen(Gate):
    """TCP segments pass only if their connection was seen to open, by a SYN in this direction.

    The SYN of the answer opens the other direction, which may have its own gate.  A reset that
    refuses a connection has no SYN, and is dropped.  Fragments after the first have no TCP
    header and pass; without the first they are useless.
    """

    name = "half-open"

    def __init__(self, connections: Iterable[str] = ()) -> None:
        self._open = dict.fromkeys(map(bytes.fromhex, connections))

    def memory(self, now: int) -> tuple[str, ...]:
        """Connections that were seen to open, least recently used first."""
        return tuple(connection.hex() for connection in self._open)

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        return sifted(buffer, runs, self._is_lost, Reason.HALF_OPEN, tally)

    def _is_lost(self, frame: memoryview) -> bool:
        found = segment(frame)
        if found is None:
            return False
        if found.connection in self._open:
            del self._open[found.connection]
        elif not found.flags & SYN:
            return True
        elif len(self._open) >= MOST_CONNECTIONS:
            del self._open[next(iter(self._open))]
        self._open[found.connection] = None  # as the most recently used one
        return False


class Mtu(Filter):
    """Drops frames whose packet exceeds the MTU, without an ICMP message."""

    name = "mtu"

    def __init__(self, octets: int) -> None:
        self._longest = ETHERNET + octets

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        lengths, longest = buffer.lengths, self._longest
        if all(max(lengths[start:stop]) <= longest for start, stop in runs):
            return runs
        return sifted(buffer, runs, lambda frame: len(frame) > longest, Reason.MTU, tally)


def sifted(
    buffer: FrameBuffer,
    runs: list[Run],
    vanishes: Callable[[memoryview], bool],
    reason: Reason,
    tally: Tally,
) -> list[Run]:
    """`runs` without the dropped frames."""
    kept: list[Run] = []
    gone = 0
    for start, stop in runs:
        at = start
        for slot in range(start, stop):
            if vanishes(buffer.frame(slot)):
                if slot > at:
                    kept.append((at, slot))
                gone += 1
                at = slot + 1
        if stop > at:
            kept.append((at, stop))
    tally.drop(reason, gone)
    return kept


class Flap:
    """Drops frames that arrive in the down part of a period."""

    name = "flap"

    def __init__(self, times: FlapTimes, began: int) -> None:
        """It was set at `began` (ns)."""
        self._began = began
        stream = RandomStream(times.seed, self.name)
        self._turns: list[int] = []
        """When it goes down and up in turn, ns since it was set."""
        at = 0.0
        for _ in range(times.count):
            stray = 1 + times.jitter * (2 * stream.random() - 1)
            period = times.period_ms * 1e6 * stray
            self._turns += [round(at), round(at + period * times.duty)]
            at += period

    def memory(self, now: int) -> Memory | None:
        """Nanoseconds since it was set."""
        return max(0, now - self._began)

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        passed = []
        for flight in flights:
            if bisect.bisect_right(self._turns, flight.due - self._began) % 2:
                tally.drop(Reason.FLAP, count(flight.runs))
            else:
                passed.append(flight)
        return passed
