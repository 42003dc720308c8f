"""The framing of the protocols: where messages begin and end in a byte stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum
from typing import Protocol

from edge_lab.devices import rtu
from edge_lab.devices.modbus_pdu import Code, is_served, refusal

LONGEST = 1 << 20
"""Maximum length of a message, bytes; longer ones are invalid."""


class NotFramed(ValueError):
    """The bytes are not a message of the protocol."""


class Way(Enum):
    """The direction of a message: RTU frames of one function differ in length by direction."""

    REQUEST = "request"
    ANSWER = "answer"


class Framing(ABC):
    """Determines the length of a message from its beginning."""

    header: int
    """Minimum number of bytes to determine the length."""
    starts_anew = False
    """Whether a message may follow invalid bytes, after a pause."""
    in_turns = False
    """Whether each request gets one answer, in the order of the requests: see `is_answered`."""
    silence = 0.0
    """Seconds without a byte after which an incomplete request is discarded; 0 for never."""

    @abstractmethod
    def length(self, data: bytes, way: Way) -> int | None:
        """Length of the message at the beginning of `data`, which has `header` bytes or more.

        None if more bytes are needed.

        Raises:
            NotFramed: no message begins like this.
        """

    def requests(self) -> Requests:
        """Splits the input of a client into requests."""
        return Splitter(self, Way.REQUEST)

    def is_heard(self, request: bytes) -> bool:
        """Whether the device processes `request` at all."""
        return True

    def is_answered(self, request: bytes) -> bool:
        """Whether the server gives one answer to `request`, before those to later ones."""
        return False

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """The answer that refuses `request`; None if it cannot be created outside of the server."""
        return None

    def instead(self, request: bytes) -> bytes | None:
        """The answer to a request whose end the server would not find; None for the others."""
        return None

    def spoiled(self, answer: bytes) -> bytes:
        """`answer` with a wrong checksum, where the protocol has one."""
        return answer

    def holds_message(self, data: bytes) -> bool:
        """Whether junk contains something that looks like an answer."""
        return False


class ModbusFraming(Framing):
    """MBAP: transaction (2 bytes), protocol (2, zero), length (2), unit, function, data."""

    header = 6
    in_turns = True
    # Within a request; then the connection is closed, since the position in the stream is unknown.
    silence = 2.0

    def length(self, data: bytes, way: Way) -> int:
        rest = int.from_bytes(data[4:6], "big")
        # An ADU has 260 bytes at most: Modbus Messaging on TCP/IP, section 4.1.
        if data[2:4] != b"\0\0" or not 2 <= rest <= 254:
            raise NotFramed(data[: self.header].hex())
        return self.header + rest

    def is_answered(self, request: bytes) -> bool:
        return True

    def refusal(self, request: bytes, code: int) -> bytes:
        return answer_to(request, refusal(request[7], code))


def answer_to(request: bytes, data: bytes) -> bytes:
    """`data` (function and what follows it) as the MBAP answer to `request`."""
    length = (len(data) + 1).to_bytes(2, "big")
    return request[:4] + length + request[6:7] + data


class RtuFraming(Framing):
    """RTU frames; see `rtu`."""

    header = rtu.SHORTEST
    starts_anew = True
    in_turns = True
    # On a serial line 3.5 characters; in a connection, one write may arrive in several parts.
    silence = 0.05

    _ALL_UNITS = 0

    def __init__(self, unit: int) -> None:
        self._unit = unit

    def length(self, data: bytes, way: Way) -> int | None:
        try:
            size = rtu.request_length(data) if way is Way.REQUEST else rtu.answer_length(data)
        except rtu.NoLength:
            size = rtu.end_by_crc(data)
            if size is None:
                raise NotFramed(data[: self.header].hex()) from None
        if size is not None and size > rtu.LONGEST:
            raise NotFramed(data[: self.header].hex())
        return size

    def requests(self) -> Requests:
        return rtu.RequestFinder()

    def is_answered(self, request: bytes) -> bool:
        return request[0] == self._unit and rtu.crc_fits(request)

    def is_heard(self, request: bytes) -> bool:
        """Broadcasts are executed without an answer."""
        if request[0] == self._ALL_UNITS:
            return rtu.crc_fits(request) and rtu.is_of_its_length(request)
        return self.is_answered(request)

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """Only complete requests to this unit get an answer."""
        if not self.is_answered(request):
            return None
        return rtu.with_crc(request[:1] + refusal(request[1], code))

    def instead(self, request: bytes) -> bytes | None:
        if rtu.is_of_its_length(request):
            return None
        served = is_served(request[1])
        return self.refusal(request, Code.ILLEGAL_VALUE if served else Code.ILLEGAL_FUNCTION)

    def spoiled(self, answer: bytes) -> bytes:
        return answer[:-2] + bytes(byte ^ 0xFF for byte in answer[-2:])

    def holds_message(self, data: bytes) -> bool:
        ends = range(self.header, len(data) + 1)
        return any(
            rtu.crc_fits(data[at:end]) for end in ends for at in range(end - self.header + 1)
        )


class OpcUaFraming(Framing):
    """UA-TCP: type (3 letters), chunk (1), size of all (4, little-endian); OPC 10000-6, 7.1.2."""

    header = 8

    _TYPES = frozenset({b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO"})

    def length(self, data: bytes, way: Way) -> int:
        size = int.from_bytes(data[4:8], "little")
        if data[:3] not in self._TYPES or not self.header <= size <= LONGEST:
            raise NotFramed(data[: self.header].hex())
        return size


class Requests(Protocol):
    """Splits the input of a client into requests, independent of packet boundaries."""

    framed: bool
    """Whether the output is a request."""

    @property
    def waiting(self) -> bool:
        """Whether an incomplete request is buffered."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Adds `data`; the complete requests, in order."""

    def expire(self) -> Iterator[bytes]:
        """Called after a pause: what can be recovered from the buffer."""


class Splitter:
    """Splits a stream into messages, independent of packet boundaries."""

    def __init__(self, framing: Framing, way: Way) -> None:
        self._framing = framing
        self._way = way
        self._rest = b""
        self.framed = True
        """False after invalid bytes: from then on bytes are passed through unchanged."""

    @property
    def waiting(self) -> bool:
        """Whether an incomplete message is buffered."""
        return bool(self._rest)

    def expire(self) -> Iterator[bytes]:
        """Called after a pause: an incomplete message is not framed, nor is what follows."""
        self.framed = False
        yield from self.feed(b"")

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Adds `data`; the complete messages, in order."""
        self._rest += data
        self.framed = self.framed or self._framing.starts_anew
        while self.framed and len(self._rest) >= self._framing.header:
            try:
                length = self._framing.length(self._rest, self._way)
            except NotFramed:
                self.framed = False
                break
            if length is None or len(self._rest) < length:
                return
            message, self._rest = self._rest[:length], self._rest[length:]
            yield message
        if not self.framed and self._rest:
            message, self._rest = self._rest, b""
            yield message
