"""Wires that are lists: what an endpoint sends, and what it was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hypothesis import settings

from lab.fabric.arena import Arena, Run, slots
from lab.fabric.config import FabricConfig, LinkConfig
from lab.fabric.forwarder import Forwarder
from lab.fabric.wire import Sent

MS = 1_000_000

unhurried = settings(deadline=None)
"""For properties: the machine may be busy with an emulated one."""


def mac(number: int) -> bytes:
    """The address of endpoint `number`."""
    return bytes([0x52, 0x54, 0, 0xED, 0, number])


BROADCAST = b"\xff" * 6


def frame(source: int, target: int | bytes, text: bytes = b"") -> bytes:
    """A frame from endpoint `source` to endpoint `target`, or to an address."""
    to = target if isinstance(target, bytes) else mac(target)
    return to + mac(source) + b"\x88\xb5" + text


class ListWire:
    def __init__(self) -> None:
        self.outgoing: deque[bytes] = deque()
        self.arrived: list[bytes] = []
        self.refuses = False

    def receive(self, arena: Arena) -> Run | None:
        start = arena.used
        while self.outgoing and arena.free and arena.used - start < 64:
            arena.put(self.outgoing.popleft())
        return (start, arena.used) if arena.used > start else None

    def send(self, arena: Arena, runs: list[Run]) -> Sent:
        frames = [bytes(arena.frame(slot)) for slot in slots(runs)]
        if self.refuses:
            return Sent(0, len(frames))
        self.arrived += frames
        return Sent(len(frames))


class Bench:
    """A forwarder on lists, with a clock that is set by hand (nanoseconds)."""

    def __init__(self, networks: Sequence[int] = (2,), seed: int = 1) -> None:
        """`networks` is the number of links of each network; links are `l0`, `l1`, …"""
        links: list[LinkConfig] = []
        for number, size in enumerate(networks):
            for _ in range(size):
                index = len(links)
                links.append(
                    LinkConfig(
                        name=f"l{index}",
                        network=f"n{number}",
                        fabric_port=1000 + index,
                        endpoint_port=2000 + index,
                    )
                )
        config = FabricConfig(
            networks=tuple(f"n{number}" for number in range(len(networks))),
            links=tuple(links),
            seed=seed,
        )
        self.wires = [ListWire() for _ in links]
        self.forwarder = Forwarder(
            config, {link.name: wire for link, wire in zip(links, self.wires, strict=True)}
        )
        self.now = 0

    def send(self, link: int, *frames: bytes) -> None:
        """Lets endpoint `link` send frames now."""
        self.wires[link].outgoing.extend(frames)
        while self.forwarder.receive(link, self.now):
            pass

    def advance(self, nanoseconds: int) -> None:
        """Lets time pass, stopping wherever something is due."""
        end = self.now + nanoseconds
        while (due := self.forwarder.next_due) is not None and due <= end:
            self.now = max(self.now, due)
            self.forwarder.run_due(self.now)
        self.now = end

    def arrived(self, link: int) -> list[bytes]:
        return self.wires[link].arrived

    def counters_add_up(self) -> bool:
        for status in self.forwarder.status():
            for each in (status.counters.tx, status.counters.rx):
                if each.frames != each.forwarded + each.in_flight + each.lost:
                    return False
        return True
