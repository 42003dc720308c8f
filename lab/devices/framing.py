"""Where messages begin and end in the byte streams of the two protocols, as seen from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

LONGEST = 1 << 20
"""Bytes of a message, at most; what claims to be longer is none."""


class NotFramed(ValueError):
    """These bytes are no message of the protocol."""


class Framing(ABC):
    """How the length of a message is told from its first `header` bytes."""

    header: int

    @abstractmethod
    def length(self, head: bytes) -> int:
        """Bytes of the message that begins with `head`, header included.

        Raises:
            NotFramed: no message begins so.
        """

    def transaction(self, message: bytes) -> bytes:
        """What an answer has in common with its request; empty if that cannot be seen."""
        return b""

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """The answer that refuses `request`; None if it cannot be made from outside."""
        return None


class ModbusFraming(Framing):
    """MBAP: transaction (2 bytes), protocol (2, zero), length (2), unit, function, data."""

    header = 6

    def length(self, head: bytes) -> int:
        rest = int.from_bytes(head[4:6], "big")
        # An ADU has 260 bytes at most: Modbus Messaging on TCP/IP, section 4.1.
        if head[2:4] != b"\0\0" or not 2 <= rest <= 254:
            raise NotFramed(head.hex())
        return self.header + rest

    def transaction(self, message: bytes) -> bytes:
        return message[:2]

    def refusal(self, request: bytes, code: int) -> bytes:
        unit, function = request[6], request[7]
        return request[:4] + bytes((0, 3, unit, function | 0x80, code))


class OpcUaFraming(Framing):
    """UA-TCP: type (3 letters), chunk (1), size of all (4, little-endian); OPC 10000-6, 7.1.2."""

    header = 8

    _TYPES = frozenset({b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO"})

    def length(self, head: bytes) -> int:
        size = int.from_bytes(head[4:8], "little")
        if head[:3] not in self._TYPES or not self.header <= size <= LONGEST:
            raise NotFramed(head.hex())
        return size


class Splitter:
    """Cuts a stream into its messages, however it is portioned."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._rest = b""
        self.framed = True
        """False once something was no message: from then on bytes come out as they go in."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole with `data`, in their order."""
        self._rest += data
        while self.framed and len(self._rest) >= self._framing.header:
            try:
                length = self._framing.length(self._rest[: self._framing.header])
            except NotFramed:
                self.framed = False
                break
            if len(self._rest) < length:
                return
            message, self._rest = self._rest[:length], self._rest[length:]
            yield message
        if not self.framed and self._rest:
            message, self._rest = self._rest, b""
            yield message
