"""Wires that are lists: what an endpoint sends, and what it was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from edge_lab.fabric.config import FabricConfig, LinkConfig
from edge_lab.fabric.counters import Counters
from edge_lab.fabric.forwarder import Forwarder
from edge_lab.fabric.framebuffer import FrameBuffer, Run, slots
from edge_lab.fabric.wire import Sent

MS = 1_000_000


def mac(number: int) -> bytes:
    """The address of endpoint `number`."""
    return bytes([0x52, 0x54, 0, 0xED, 0, number])


BROADCAST = b"\xff" * 6


def frame(source: int, target: int | bytes, text: bytes = b"") -> bytes:
    """A frame from endpoint `source` to endpoint `target`, or to an address."""
    to = target if isinstance(target, bytes) else mac(target)
    return to + mac(source) + b"\x88\xb5" + text


def numbered(source: int, target: int | bytes, number: int, length: int = 0) -> bytes:
    """A frame that is known again by `number`, at least `length` bytes long."""
    return frame(source, target, number.to_bytes(4, "big")).ljust(length, b"\0")


def number_of(data: bytes) -> int:
    """What `numbered` was given."""
    return int.from_bytes(data[14:18], "big")


def ipv4(
    protocol: int,
    content: bytes,
    *,
    source: str = "10.0.0.1",
    target: str = "10.0.0.2",
    options: int = 0,
    fragment: int = 0,
) -> bytes:
    """An IPv4 packet in a frame from endpoint 0 to 1; `options` in 32 bits, `fragment` in 64."""
    header = bytes([0x45 + options, 0]) + (20 + 4 * options + len(content)).to_bytes(2, "big")
    header += b"\0\1" + fragment.to_bytes(2, "big") + bytes([64, protocol]) + b"\0\0"
    header += IPv4Address(source).packed + IPv4Address(target).packed + bytes([1]) * 4 * options
    return mac(1) + mac(0) + b"\x08\0" + header + content


def port_pair(source: int, target: int) -> bytes:
    """The first four bytes of a TCP or UDP header."""
    return source.to_bytes(2, "big") + target.to_bytes(2, "big")


SYN, RST, ACK = 0x02, 0x04, 0x10


def tcp(
    flags: int,
    source: int = 40_000,
    target: int = 443,
    *,
    options: int = 0,
    fragment: int = 0,
    client: str = "10.0.0.1",
    server: str = "10.0.0.2",
) -> bytes:
    """A TCP segment from `client` to `server`."""
    segment = port_pair(source, target) + bytes(8) + bytes([0x50, flags]) + bytes(6)
    return ipv4(6, segment, source=client, target=server, options=options, fragment=fragment)


class ListWire:
    def __init__(self, clock: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self.outgoing: deque[bytes] = deque()
        self.arrived: list[bytes] = []
        self.times: list[int] = []
        """When each of them came, ns."""
        self.refuses = False

    def receive(self, buffer: FrameBuffer) -> Run | None:
        start = buffer.used
        while self.outgoing and buffer.free and buffer.used - start < 64:
            buffer.put(self.outgoing.popleft())
        return (start, buffer.used) if buffer.used > start else None

    def send(self, buffer: FrameBuffer, runs: list[Run]) -> Sent:
        frames = [bytes(buffer.frame(slot)) for slot in slots(runs)]
        if self.refuses:
            return Sent(0, len(frames))
        self.arrived += frames
        self.times += [self._clock()] * len(frames)
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
        self.wires = [ListWire(lambda: self.now) for _ in links]
        self.forwarder = Forwarder(
            config,
            {link.name: wire for link, wire in zip(links, self.wires, strict=True)},
            clock=lambda: self.now,
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

    def tx(self, link: int) -> Counters:
        """What became of frames that endpoint `link` sent."""
        return self.forwarder.status()[link].counters.tx

    def counters_add_up(self) -> bool:
        for status in self.forwarder.status():
            for each in (status.counters.tx, status.counters.rx):
                if each.frames + each.copies != each.forwarded + each.in_flight + each.lost:
                    return False
        return True
