"""Messages of Modbus TCP, RTU and OPC UA, whole and cut."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import strategies as st

from edge_lab.devices.framing import RtuFraming


def modbus(transaction: int, data: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(data) + 1, 1) + data


def opcua(kind: bytes, data: bytes) -> bytes:
    return kind + b"F" + struct.pack("<I", len(data) + 8) + data


def crc(data: bytes) -> int:
    """CRC-16 of Modbus, bit by bit as the specification draws it (serial line, 6.2.2)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def rtu(unit: int, data: bytes) -> bytes:
    frame = bytes((unit,)) + data
    return frame + struct.pack("<H", crc(frame))


RTU = RtuFraming(1)
words, units = st.integers(0, 0xFFFF), st.integers(0, 247)
rtu_requests = st.builds(
    lambda unit, function, first, second: rtu(unit, struct.pack(">BHH", function, first, second)),
    units,
    st.integers(1, 6),
    words,
    words,
) | st.builds(
    lambda unit, address, data: rtu(
        unit, struct.pack(">BHHB", 16, address, len(data) // 2, len(data)) + data
    ),
    units,
    words,
    st.binary(min_size=2, max_size=246),
)
rtu_answers = st.builds(
    lambda unit, function, data: rtu(unit, bytes((function, len(data))) + data),
    units,
    st.integers(1, 4),
    st.binary(min_size=1, max_size=250),
) | st.builds(
    lambda unit, function, code: rtu(unit, bytes((function | 0x80, code))),
    units,
    st.integers(1, 127),
    st.integers(1, 11),
)
modbus_messages = st.builds(modbus, st.integers(0, 65_535), st.binary(min_size=1, max_size=253))
opcua_messages = st.builds(
    opcua, st.sampled_from([b"HEL", b"ACK", b"OPN", b"MSG", b"CLO"]), st.binary(max_size=400)
)


def portions(data: bytes, ends: list[int]) -> list[bytes]:
    """`data` cut at those places, as a network may do."""
    places = sorted({0, *(end % (len(data) + 1) for end in ends), len(data)})
    return [data[start:end] for start, end in pairwise(places)]
