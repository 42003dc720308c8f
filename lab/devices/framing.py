"""Where messages begin and end in the byte streams of the protocols, as seen from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum
from typing import Protocol

from edge_lab.devices import rtu
from edge_lab.devices.modbus_pdu import Code, is_served, refusal

LONGEST = 1 << 20
"""Bytes of a message, at most; what claims to be longer is none."""


class NotFramed(ValueError):
    """These bytes are no message of the protocol."""


class Way(Enum):
    """Which way a message goes: in RTU frames, the same function is not as long both ways."""

    REQUEST = "request"
    ANSWER = "answer"


class Framing(ABC):
    """How the length of a message is told from its beginning."""

    header: int
    """Bytes that must be there before there is anything to tell."""
    starts_anew = False
    """Whether what comes after bytes that were no message may be one again: pauses part them."""
    in_turns = False
    """Whether each request gets one answer, in the order of the requests: see `is_answered`."""
    silence = 0.0
    """Seconds without a byte after which the beginning of a request is none; 0 for never."""

    @abstractmethod
    def length(self, data: bytes, way: Way) -> int | None:
        """Bytes of the message that `data`, `header` bytes or more, begins with.

        None if that can be told only when more has come.

        Raises:
            NotFramed: no message begins so.
        """

    def requests(self) -> Requests:
        """Cuts what a client sends into requests."""
        return Splitter(self, Way.REQUEST)

    def is_heard(self, request: bytes) -> bool:
        """Whether the device heeds `request` at all."""
        return True

    def is_answered(self, request: bytes) -> bool:
        """Whether the server gives one answer to `request`, before those to later ones."""
        return False

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """The answer that refuses `request`; None if it cannot be made from outside."""
        return None

    def instead(self, request: bytes) -> bytes | None:
        """The answer to a request whose end the server would not find; None for the others."""
        return None

    def spoiled(self, answer: bytes) -> bytes:
        """`answer` with a checksum that does not fit, where the protocol has one."""
        return answer

    def holds_message(self, data: bytes) -> bool:
        """Whether an answer could be made out anywhere in what is meant as junk."""
        return False


class ModbusFraming(Framing):
    """MBAP: transaction (2 bytes), protocol (2, zero), length (2), unit, function, data."""

    header = 6
    in_turns = True
    # Within a request; then the connection is closed, since what comes next may be anything.
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
    # On a line 3.5 characters; in a connection, what a client sends at once may come in parts.
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
        """What is for all units is carried out without an answer."""
        if request[0] == self._ALL_UNITS:
            return rtu.crc_fits(request) and rtu.is_of_its_length(request)
        return self.is_answered(request)

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """Only what is for this unit, and whole, gets an answer."""
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
    """Cuts what a client sends into its requests, however it is portioned."""

    framed: bool
    """Whether what comes out now is a request."""

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a request is there, and its end is not."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What is whole with `data`, in its order."""

    def expire(self) -> Iterator[bytes]:
        """The end does not come: what can be made of what is there."""


class Splitter:
    """Cuts a stream into its messages, however it is portioned."""

    def __init__(self, framing: Framing, way: Way) -> None:
        self._framing = framing
        self._way = way
        self._rest = b""
        self.framed = True
        """False once something was no message: from then on bytes come out as they go in."""

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a message is there, and its end is not."""
        return bool(self._rest)

    def expire(self) -> Iterator[bytes]:
        """The beginning of a message whose end does not come: it is none, so nothing is."""
        self.framed = False
        yield from self.feed(b"")

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole with `data`, in their order."""
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
