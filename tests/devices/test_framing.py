"""Messages in what a connection brings: found however it is cut, refused, spoiled."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.connection import junk
from edge_lab.devices.framing import Framing, ModbusFraming, NotFramed, OpcUaFraming, Splitter, Way
from edge_lab.devices.outbox import cut
from tests.budget import examples
from tests.devices.messages import (
    RTU,
    crc,
    modbus_messages,
    opcua_messages,
    portions,
    rtu,
    rtu_answers,
    rtu_requests,
)

ways = st.sampled_from(Way)
streams = (
    st.tuples(st.just(ModbusFraming()), ways, st.lists(modbus_messages, max_size=8))
    | st.tuples(st.just(OpcUaFraming()), ways, st.lists(opcua_messages, max_size=8))
    | st.tuples(st.just(RTU), st.just(Way.REQUEST), st.lists(rtu_requests, max_size=8))
    | st.tuples(st.just(RTU), st.just(Way.ANSWER), st.lists(rtu_answers, max_size=8))
)
framings = st.sampled_from([ModbusFraming(), OpcUaFraming(), RTU])


@given(streams, st.lists(st.integers(0, 5000), max_size=12))
def test_messages_are_found_however_they_are_portioned(
    stream: tuple[Framing, Way, list[bytes]], ends: list[int]
) -> None:
    framing, way, messages = stream
    splitter = Splitter(framing, way)
    found: list[bytes] = []
    for portion in portions(b"".join(messages), ends):
        found += splitter.feed(portion)
    assert found == messages
    assert splitter.framed


@given(framings, ways, st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=6))
def test_no_byte_is_lost_or_added_whatever_comes(
    framing: Framing, way: Way, data: bytes, ends: list[int]
) -> None:
    splitter = Splitter(framing, way)
    out = b"".join(b"".join(splitter.feed(portion)) for portion in portions(data, ends))
    assert data.startswith(out)
    if not splitter.framed:
        assert out == data


@given(
    st.sampled_from([ModbusFraming(), OpcUaFraming()]), st.integers(0, 1000), st.integers(8, 300)
)
def test_junk_begins_no_message(framing: Framing, seed: int, length: int) -> None:
    nonsense = junk(Random(seed), length, framing)
    assert len(nonsense) == length
    with pytest.raises(NotFramed):
        framing.length(nonsense, Way.ANSWER)


@settings(max_examples=examples(20))
@given(st.integers(0, 1000), st.integers(5, 40))
def test_no_rtu_frame_lies_anywhere_in_junk(seed: int, length: int) -> None:
    nonsense = junk(Random(seed), length, RTU)
    assert len(nonsense) == length
    for start in range(length):
        for end in range(start + 4, length + 1):
            assert crc(nonsense[start : end - 2]) != struct.unpack("<H", nonsense[end - 2 : end])[0]


def test_a_frame_in_junk_would_be_seen() -> None:
    assert RTU.holds_message(b"\x90\x91" + rtu(1, b"\x83\x02") + b"\x92")


@given(rtu_answers)
def test_a_spoiled_answer_is_as_long_and_fits_no_more(answer: bytes) -> None:
    spoiled = RTU.spoiled(answer)
    assert spoiled[:-2] == answer[:-2]
    assert struct.unpack("<H", spoiled[-2:])[0] != crc(spoiled[:-2])


@given(rtu_requests, st.integers(1, 11))
def test_a_refusal_in_rtu_names_unit_function_and_code(request: bytes, code: int) -> None:
    own = rtu(1, request[1:-2])
    assert RTU.refusal(own, code) == rtu(1, bytes((request[1] | 0x80, code)))


def test_in_rtu_what_is_for_other_units_or_for_all_or_spoiled_is_not_refused() -> None:
    for request in (
        rtu(7, b"\3\0\0\0\1"),
        rtu(0, b"\6\0\x64\0\1"),
        rtu(1, b"\3\0\0\0\1")[:-1] + b"!",
    ):
        assert RTU.refusal(request, 6) is None


def test_in_rtu_only_what_is_whole_and_for_this_unit_is_answered() -> None:
    read, write = b"\3\0\0\0\1", b"\6\0\x64\0\1"
    cases = {rtu(1, read): (True, True), rtu(0, write): (False, True), rtu(7, read): (False, False)}
    cases |= {rtu(1, read)[:-1] + b"!": (False, False), rtu(1, b"\x41\1\2"): (True, True)}
    for frame, expected in cases.items():
        assert (RTU.is_answered(frame), RTU.is_heard(frame)) == expected


def test_after_what_is_no_rtu_frame_the_next_one_is_found() -> None:
    splitter, frame = Splitter(RTU, Way.REQUEST), rtu(1, b"\3\0\0\0\1")
    assert list(splitter.feed(b"\xff\xff\xff\xff")) == [b"\xff\xff\xff\xff"]
    assert not splitter.framed
    assert list(splitter.feed(frame[:5])) == []
    assert list(splitter.feed(frame[5:])) == [frame]
    assert splitter.framed


@given(st.binary(min_size=1, max_size=100), st.integers(2, 120))
def test_a_cut_message_has_all_its_bytes_and_no_empty_piece(data: bytes, pieces: int) -> None:
    found = cut(data, pieces)
    assert b"".join(found) == data
    assert all(found)
    assert len(found) == min(pieces, len(data))
