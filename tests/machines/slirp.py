"""QEMU's user-mode network without a guest: the test sends and receives the guest's frames."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_lab.core.ports import choose_ports

GUEST_MAC = bytes.fromhex("525400edff01")
GUEST = socket.inet_aton("10.0.2.15")
GATEWAY, NAME_SERVER = "10.0.2.2", "10.0.2.3"
SOURCE_PORT = 40000
SYN, RST, ACK = 0x02, 0x04, 0x10
PATIENCE = 60.0
"""s for what comes, on a host that may be busy."""


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ipv4(to: bytes, protocol: int, content: bytes) -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(content), 1, 0, 64, protocol, 0, GUEST, to
    )
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + content


@dataclass(frozen=True)
class Segment:
    """A TCP segment that the guest has received."""

    source: str
    source_port: int
    port: int
    flags: int


class Network:
    """The guest's side of the network."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._wire.settimeout(PATIENCE)

    def announce(self) -> None:
        """Waits until the network answers, which learns the guest's address by the question."""
        end = time.monotonic() + PATIENCE
        self._wire.settimeout(0.1)
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                self._ask_who_has(GATEWAY)
                if self._is_arp_answer(self._wire.recv(65536), GATEWAY):
                    break
        else:
            raise AssertionError("the network does not answer")
        self._wire.settimeout(PATIENCE)

    def barrier(self) -> None:
        """Returns when the network has handled all frames that were sent before."""
        # Of another address than those before, whose answers may still come.
        self._ask_who_has(NAME_SERVER)
        while not self._is_arp_answer(self._wire.recv(65536), NAME_SERVER):
            pass

    def syn(self, address: str, port: int) -> None:
        to = socket.inet_aton(address)
        tcp = struct.pack(">HHIIBBHHH", SOURCE_PORT, port, 1000, 0, 0x50, SYN, 65535, 0, 0)
        pseudo = GUEST + to + struct.pack(">BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp)) + tcp[18:]
        self._send(0x0800, _ipv4(to, 6, tcp))

    def datagram(self, address: str, port: int, content: bytes) -> None:
        udp = struct.pack(">HHHH", SOURCE_PORT, port, 8 + len(content), 0) + content
        self._send(0x0800, _ipv4(socket.inet_aton(address), 17, udp))

    def segment(self, wanted: Callable[[Segment], bool] = lambda segment: True) -> Segment:
        """The next TCP segment that the guest receives; TimeoutError if there is none."""
        while True:
            frame = self._wire.recv(65536)
            if frame[12:14] == b"\x08\x00" and frame[23] == 6:
                head = 14 + (frame[14] & 15) * 4
                source, port = struct.unpack_from(">HH", frame, head)
                found = Segment(socket.inet_ntoa(frame[26:30]), source, port, frame[head + 13])
                if wanted(found):
                    return found

    def _ask_who_has(self, address: str) -> None:
        arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)
        self._send(0x0806, arp + GUEST_MAC + GUEST + bytes(6) + socket.inet_aton(address))

    def _is_arp_answer(self, frame: bytes, address: str) -> bool:
        is_answer = frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02"
        return is_answer and frame[28:32] == socket.inet_aton(address)

    def _send(self, kind: int, content: bytes) -> None:
        frame = b"\xff" * 6 + GUEST_MAC + struct.pack(">H", kind) + content
        self._wire.send(frame.ljust(60, b"\0"))


@contextlib.contextmanager
def network(emulator: str, netdev: str) -> Iterator[Network]:
    """QEMU with no machine but the `-netdev` given (its id is mgmt), connected to this test."""
    ours, theirs = choose_ports(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", ours))
        wire.connect(("127.0.0.1", theirs))
        process = subprocess.Popen(
            [
                *(emulator, "-machine", "none", "-nodefaults", "-display", "none"),
                *("-netdev", netdev),
                "-netdev",
                f"socket,id=test,udp=127.0.0.1:{ours},localaddr=127.0.0.1:{theirs}",
                *("-netdev", "hubport,id=one,hubid=0,netdev=mgmt"),
                *("-netdev", "hubport,id=two,hubid=0,netdev=test"),
            ]
        )
        try:
            found = Network(wire)
            found.announce()
            yield found
        finally:
            process.terminate()
            process.wait(PATIENCE)
