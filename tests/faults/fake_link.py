"""A link that is a few lines of Python: its states, and the fate of what crosses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.fabric import CLEAR, Counters, DirectionState, LinkCounters, Mode, Reason


class FakePing:
    """As much of the process of a ping that goes on, at a hundred times its speed."""

    def __init__(self, answered: Callable[[], bool], ends: bool) -> None:
        self._answered = answered
        self._last = 5 if ends else 10**6
        self.killed = False

    @property
    def stdout(self) -> Iterator[bytes]:
        yield b"PING 10.77.0.1 (10.77.0.1) 56(84) bytes of data.\n"
        for number in range(1, self._last):
            if self.killed:
                return
            time.sleep(0.0005)
            at = f"[{1000 + number * 0.05:.6f}]"
            if self._answered():
                answer = f"64 bytes from 10.77.0.1: icmp_seq={number} ttl=64 time=5.00 ms"
                yield f"{at} {answer}\n".encode()
            else:
                yield f"{at} no answer yet for icmp_seq={number}\n".encode()

    def kill(self) -> None:
        self.killed = True

    def wait(self) -> int:
        return 0


@dataclass
class FakeLink:
    """One link's states, and the fate of what crosses it."""

    tx: DirectionState = CLEAR
    rx: DirectionState = CLEAR
    counted: dict[str, Counters] = field(
        default_factory=lambda: {"tx": Counters(), "rx": Counters()}
    )
    obeys: bool = True
    """False: faults are accepted and do nothing."""
    heals: bool = True
    dead: bool = False
    counts: bool = True
    traffic: bool = True
    """Standing connections send frames now and then."""
    ends: bool = False
    """The ping that goes on does not."""
    patience: float = 30.0
    """Seconds that a proof may take: ample where it succeeds, whatever else the host is doing."""
    patience_with_a_fault: float | None = None
    """The same from the moment on that a fault is set, if that is another."""
    _flapped: int = 0
    history: list[tuple[str, str]] = field(default_factory=list)
    carrier: list[tuple[str, bool]] = field(default_factory=list)

    # As FabricClient
    def link(self, name: str) -> SimpleNamespace:
        for way, state in self._ways.items():
            if state.mode is Mode.HALF_OPEN and self.traffic:
                self._count(way, Reason.HALF_OPEN, 1)
        return SimpleNamespace(tx=self.tx, rx=self.rx, counters=LinkCounters(**self.counted))

    def set(
        self, link: str, *, tx: DirectionState | None = None, rx: DirectionState | None = None
    ) -> None:
        tx, rx = tx or self.tx, rx or self.rx
        self.history.append((str(tx), str(rx)))
        if self.patience_with_a_fault is not None:
            self.patience = self.patience_with_a_fault
        if self.heals or not (tx.is_clear and rx.is_clear):
            self.tx, self.rx = tx, rx

    # As Machine
    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        if "/dev/udp/" in command:
            self._match("udp", int(command.split("/")[-1].rstrip("'")))
            return SimpleNamespace(stdout="")
        if "/dev/tcp/" in command:
            port = int(command.split("/dev/tcp/")[1].split("/")[1].split("'")[0])
            lost = self.dead or any(each.is_closed for each in self._ways.values())
            lost = lost or self._match("tcp", port)
            return SimpleNamespace(stdout="lost\n" if lost else "connected\n")
        words = command.split()
        count, size = int(words[words.index("-c") + 1]), int(words[words.index("-s") + 1])
        return SimpleNamespace(stdout=self._ping(count, size + 28))

    def stream(self, command: str, deadline: Deadline) -> FakePing:
        assert "ping -n -D -O" in command
        return FakePing(lambda: " 0 received" not in self._ping(1, 84), self.ends)

    def _ping(self, count: int, packet: int) -> str:
        received, times, twice = count, [5.0] * count, 0
        for way, state in self._ways.items():
            closed = {Mode.CUT: Reason.CUT, Mode.DROP: Reason.DROP}.get(state.mode)
            lost = count if state.is_closed or self._match("icmp", 0) else 0
            if lost:
                self._count(way, closed or Reason.DROP, lost)
            if state.mtu and packet > state.mtu:
                lost = count
                self._count(way, Reason.MTU, count)
            part = state.burst_loss.loss if state.burst_loss else state.loss
            if part:
                lost = max(lost, round(count * part))
                self._count(way, Reason.LOSS, round(count * part))
            if state.corrupt and round(count * state.corrupt):
                lost = max(lost, 1)
                self._add(way, corrupted=1)
            if state.flap:
                self._flapped += 1
                gone = count // 4 if count > 1 else self._flapped // 8 % 2
                lost = max(lost, gone)
                self._count(way, Reason.FLAP, gone)
            received = max(0, received - lost)
            twice += round(count * state.duplicate)
            self._add(way, copies=round(count * state.duplicate))
            late = [state.delay_ms] * count
            if state.reorder:
                late[:: round(1 / state.reorder)] = [0.0] * len(late[:: round(1 / state.reorder)])
            if state.rate_kbit:
                bits = [each * packet * 8 for each in range(count)]
                late = [a + b / state.rate_kbit for a, b in zip(late, bits, strict=True)]
            times = [a + b for a, b in zip(times, late, strict=True)]
        if self.dead:
            received = 0
        again = f"+{twice} duplicates, " if twice else ""
        text = f"{count} packets transmitted, {received} received, {again}some packet loss\n"
        if received:
            text += f"rtt min/avg/max/mdev = {min(times)}/1/{max(times)}/0 ms\n"
        return text

    def set_carrier(self, mac: str, up: bool) -> None:
        self.carrier.append((mac, up))

    @property
    def _ways(self) -> dict[str, DirectionState]:
        return {"tx": self.tx, "rx": self.rx} if self.obeys else {}

    def _match(self, protocol: str, port: int) -> bool:
        """Whether such a frame vanishes by a selective drop; counted if so."""
        for way, state in self._ways.items():
            frames = state.match
            if frames is None:
                continue
            fits = frames.protocol in (None, protocol) and (
                not frames.ports or port in frames.ports
            )
            if fits:
                self._count(way, Reason.DROP, 1)
                return True
        return False

    def _count(self, way: str, reason: Reason, frames: int) -> None:
        if self.counts:
            dropped = self.counted[way].dropped
            self._add(way, dropped={**dropped, reason: dropped.get(reason, 0) + frames})

    def _add(self, way: str, **change: Any) -> None:
        """Numbers are added, the rest is put in its place."""
        now = self.counted[way]
        added = {
            name: getattr(now, name) + value if isinstance(value, int) else value
            for name, value in change.items()
        }
        self.counted[way] = now.model_copy(update=added)
