"""Where messages begin and end in the byte streams of the protocols, as seen from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum

from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.decoders import DecodePDU

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
    silence = 0.0
    """Seconds without a byte after which the beginning of a request is none; 0 for never."""

    @abstractmethod
    def length(self, data: bytes, way: Way) -> int | None:
        """Bytes of the message that `data`, `header` bytes or more, begins with.

        None if that can be told only when more has come.

        Raises:
            NotFramed: no message begins so.
        """

    def transaction(self, message: bytes) -> bytes:
        """What an answer has in common with its request; empty if that cannot be seen."""
        return b""

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """The answer that refuses `request`; None if it cannot be made from outside."""
        return None

    def instead(self, request: bytes) -> bytes | None:
        """The answer to a request that the server behind must not see; empty if it gets none.

        None hands it on.
        """
        return None

    def spoiled(self, answer: bytes) -> bytes:
        """`answer` with a checksum that does not fit, where the protocol has one."""
        return answer

    def holds_message(self, data: bytes) -> bool:
        """Whether an answer could be made out anywhere in what is meant as junk."""
        return False


_REQUESTS, _ANSWERS = DecodePDU(True), DecodePDU(False)


def _exception_for(request: bytes) -> int | None:
    """The code that refuses a request (function and data) which cannot be carried out as it
    stands: 1 for a function that is not known, 3 for data that it cannot have.

    pymodbus refuses these with function 0, which no client takes for an answer.
    """
    if request[0] not in _REQUESTS.pdu_table:
        return 1
    return 3 if _REQUESTS.decode(request) is None else None


class ModbusFraming(Framing):
    """MBAP: transaction (2 bytes), protocol (2, zero), length (2), unit, function, data."""

    header = 6

    def length(self, data: bytes, way: Way) -> int:
        rest = int.from_bytes(data[4:6], "big")
        # An ADU has 260 bytes at most: Modbus Messaging on TCP/IP, section 4.1.
        if data[2:4] != b"\0\0" or not 2 <= rest <= 254:
            raise NotFramed(data[: self.header].hex())
        return self.header + rest

    def transaction(self, message: bytes) -> bytes:
        return message[:2]

    def refusal(self, request: bytes, code: int) -> bytes:
        unit, function = request[6], request[7]
        return request[:4] + bytes((0, 3, unit, function | 0x80, code))

    def instead(self, request: bytes) -> bytes | None:
        code = _exception_for(request[7:])
        return None if code is None else self.refusal(request, code)


class RtuFraming(Framing):
    """RTU: unit, function, data, CRC (2 bytes, low one first); no length.

    The length follows from function and direction.  That of a function which pymodbus does not
    know can only be told from the CRC at the end of what has come.
    """

    header = 4
    starts_anew = True
    # On a line 3.5 characters; in a connection, what a client sends at once may come in parts.
    silence = 0.05

    _LONGEST = 256
    """Bytes of a frame: Modbus over serial line, section 2.3."""
    _ALL_UNITS = 0
    _UNTOLD = (0, 998, 999)
    """What pymodbus says where the length lies in bytes that are still to come."""

    def __init__(self, unit: int) -> None:
        self._unit = unit

    def length(self, data: bytes, way: Way) -> int | None:
        form = self._form(data, way)
        if form is None:
            if len(data) <= self._LONGEST and _crc_fits(data):
                return len(data)
            raise NotFramed(data[: self.header].hex())
        size = form.calculateRtuFrameSize(data)
        if size in self._UNTOLD:
            return None
        if size > self._LONGEST:
            raise NotFramed(data[: self.header].hex())
        return size

    def _form(self, data: bytes, way: Way) -> type[ModbusPDU] | None:
        """What pymodbus knows of a frame that begins so."""
        if way is Way.REQUEST and data[1] & 0x80:
            return None
        return (_REQUESTS if way is Way.REQUEST else _ANSWERS).lookupPduClass(data)

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """Only what is for this unit, and whole, gets an answer."""
        if request[0] != self._unit or not _crc_fits(request):
            return None
        return _with_crc(bytes((request[0], request[1] | 0x80, code)))

    def instead(self, request: bytes) -> bytes | None:
        """Nothing to what is for another unit; else an exception if pymodbus has no answer."""
        if not _crc_fits(request):
            return None
        if request[0] not in (self._unit, self._ALL_UNITS):
            return b""
        code = _exception_for(request[1:-2])
        return self.refusal(request, code) if code and request[0] == self._unit else None

    def spoiled(self, answer: bytes) -> bytes:
        return answer[:-2] + bytes(byte ^ 0xFF for byte in answer[-2:])

    def holds_message(self, data: bytes) -> bool:
        ends = range(self.header, len(data) + 1)
        return any(_crc_fits(data[at:end]) for end in ends for at in range(end - self.header + 1))


def _crc(data: bytes) -> bytes:
    return int(FramerRTU.compute_CRC(data)).to_bytes(2, "big")


def _with_crc(data: bytes) -> bytes:
    return data + _crc(data)


def _crc_fits(frame: bytes) -> bool:
    return _crc(frame[:-2]) == frame[-2:]


class OpcUaFraming(Framing):
    """UA-TCP: type (3 letters), chunk (1), size of all (4, little-endian); OPC 10000-6, 7.1.2."""

    header = 8

    _TYPES = frozenset({b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO"})

    def length(self, data: bytes, way: Way) -> int:
        size = int.from_bytes(data[4:8], "little")
        if data[:3] not in self._TYPES or not self.header <= size <= LONGEST:
            raise NotFramed(data[: self.header].hex())
        return size


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

    def drop(self) -> None:
        """Forgets the beginning of a message whose end does not come."""
        self._rest = b""

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
