"""RTU frames: unit, function, data, CRC (2 bytes, low one first); their length, and their
beginning in a stream.

A frame has no length field.  Its length follows from function and direction if the
specification fixes it; otherwise the frame ends where a CRC is correct.
"""

from __future__ import annotations

from collections.abc import Iterator

SHORTEST, LONGEST = 4, 256
"""Bytes of a frame: Modbus over serial line V1.02, section 2.3."""


class NoLength(ValueError):
    """The length of a frame does not follow from its function."""


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        found.append(value)
    return tuple(found)


_CRC = _table()


def _remainders(data: bytes) -> Iterator[int]:
    """The CRC-16 after each byte; 0 if the bytes end with their CRC."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
        yield value


def crc(data: bytes) -> bytes:
    """The CRC-16 of `data`, in the byte order of the line (section 6.2.2)."""
    *_, value = 0xFFFF, *_remainders(data)
    return value.to_bytes(2, "little")


def with_crc(data: bytes) -> bytes:
    return data + crc(data)


def crc_fits(frame: bytes) -> bool:
    return len(frame) >= SHORTEST and crc(frame[:-2]) == frame[-2:]


# -- Lengths -----------------------------------------------------------------------------

_FIXED_REQUESTS = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6), 8),
    **dict.fromkeys((7, 11, 12, 17), 4),
    22: 10,
    24: 6,
}
_COUNTED_REQUESTS = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}
"""The position of the byte count."""
_FIXED_ANSWERS = {**dict.fromkeys((5, 6, 11, 15, 16), 8), 7: 5, 22: 10}
_COUNTED_ANSWERS = dict.fromkeys((1, 2, 3, 4, 12, 17, 20, 21, 23), 2)
_DIAGNOSTICS = 8
_IDENTIFICATION = (43, 14)


def request_length(data: bytes) -> int | None:
    """The length of the request at the beginning of `data`, two bytes or more; None if more
    data is needed.

    Raises:
        NoLength: it does not follow from the function.
    """
    if data[1] == _IDENTIFICATION[0]:
        if len(data) < 3:
            return None
        if data[2] == _IDENTIFICATION[1]:
            return 7
        raise NoLength
    return _length(data, _FIXED_REQUESTS, _COUNTED_REQUESTS)


def answer_length(data: bytes) -> int | None:
    """Like `request_length`, for an answer."""
    if data[1] & 0x80:
        return 5
    if data[1] == _IDENTIFICATION[0]:
        return _identification_length(data)
    return _length(data, _FIXED_ANSWERS, _COUNTED_ANSWERS)


def _length(data: bytes, fixed: dict[int, int], counted: dict[int, int]) -> int | None:
    function = data[1]
    if function in fixed:
        return fixed[function]
    if function == _DIAGNOSTICS:  # sub-function, and words to be returned
        return end_by_crc(data, first=8, step=2)
    if function not in counted:
        raise NoLength
    place = counted[function]
    return place + 1 + data[place] + 2 if len(data) > place else None


def _identification_length(data: bytes) -> int | None:
    if len(data) < 8:
        return None
    if data[2] != _IDENTIFICATION[1]:
        raise NoLength
    end = 8
    for _ in range(data[7]):
        if len(data) < end + 2:
            return None
        end += 2 + data[end + 1]
    return end + 2


def is_of_its_length(request: bytes) -> bool:
    """Whether a request has the length that its function requires, if any."""
    try:
        return request_length(request) == len(request)
    except NoLength:
        return True


def end_by_crc(data: bytes, first: int = SHORTEST, step: int = 1) -> int | None:
    """Length up to the first valid CRC, if there is one."""
    for end, remainder in enumerate(_remainders(data[:LONGEST]), start=1):
        if remainder == 0 and end >= first and (end - first) % step == 0:
            return end
    return None


# -- Requests in a stream ----------------------------------------------------------------


class RequestFinder:
    """Finds the request frames in the data of a connection, independent of packet boundaries, and
    drops the rest.

    On a line, a frame begins after 3.5 silent characters.  In a connection, received data may
    begin or continue a frame: so, if there is no frame at the expected position, the next
    candidates are the beginning of the next data, and the end of a damaged frame of known length.
    """

    framed = True

    def __init__(self) -> None:
        self._rest = b""
        self._places: list[int] = []
        """Further positions in `_rest` at which a frame may begin, in order."""

    @property
    def waiting(self) -> bool:
        """Whether the possible beginning of a frame is buffered."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Adds `data`; the complete frames, in order."""
        self._add_place(len(self._rest))
        self._rest += data
        yield from self._frames()

    def expire(self) -> Iterator[bytes]:
        """After a silent interval: the buffer is a frame if its CRC is correct, whatever the length
        for its function; otherwise returns the frames within it."""
        while self._rest:
            if crc_fits(self._rest):
                yield self._taken(len(self._rest))
                return
            self._move_on()
            yield from self._frames()

    def _frames(self) -> Iterator[bytes]:
        while len(self._rest) >= SHORTEST:
            try:
                length = request_length(self._rest)
            except NoLength:
                length = end_by_crc(self._rest)
            if length is None and len(self._rest) < LONGEST:
                return
            if length is None or length > LONGEST:
                self._move_on()
                continue
            if len(self._rest) < length:
                return
            if crc_fits(self._rest[:length]):
                yield self._taken(length)
            elif crc_fits(self._rest):
                yield self._taken(len(self._rest))
            else:
                self._add_place(length)
                self._to_next_whole()

    def _to_next_whole(self) -> None:
        """Skips to the next position with a complete frame, or else to the next position."""
        for place in self._places:
            if self._is_whole_at(place):
                self._cut(place)
                return
        self._move_on()

    def _is_whole_at(self, place: int) -> bool:
        data = self._rest[place:]
        if len(data) < SHORTEST:
            return False
        try:
            length = request_length(data)
        except NoLength:
            return False
        return length is not None and crc_fits(data[:length]) and len(data) >= length

    def _taken(self, length: int) -> bytes:
        frame = self._rest[:length]
        self._cut(length)
        return frame

    def _move_on(self) -> None:
        self._cut(self._places[0] if self._places else len(self._rest))

    def _cut(self, place: int) -> None:
        self._rest = self._rest[place:]
        self._places = [other - place for other in self._places if other > place]

    def _add_place(self, place: int) -> None:
        if place and place not in self._places:
            self._places = sorted([*self._places, place])
