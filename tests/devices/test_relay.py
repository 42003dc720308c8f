"""The relay and its framing: transparent without a fault, exact with one."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.devices.connection import junk
from edge_lab.devices.faults import (
    BadCrc,
    DeviceFault,
    Exceptions,
    Junk,
    Late,
    SessionDrop,
    Slow,
    Split,
)
from edge_lab.devices.framing import (
    Framing,
    ModbusFraming,
    NotFramed,
    OpcUaFraming,
    RtuFraming,
    Splitter,
    Way,
)
from edge_lab.devices.outbox import cut
from edge_lab.devices.relay import Relay

T = TypeVar("T")
HOST = "127.0.0.1"
CLIENT = ("127.0.0.2", 0)
"""Another address than the relay's: whoever comes from that is the device itself."""


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
ways = st.sampled_from(Way)
streams = (
    st.tuples(st.just(ModbusFraming()), ways, st.lists(modbus_messages, max_size=8))
    | st.tuples(st.just(OpcUaFraming()), ways, st.lists(opcua_messages, max_size=8))
    | st.tuples(st.just(RTU), st.just(Way.REQUEST), st.lists(rtu_requests, max_size=8))
    | st.tuples(st.just(RTU), st.just(Way.ANSWER), st.lists(rtu_answers, max_size=8))
)
framings = st.sampled_from([ModbusFraming(), OpcUaFraming(), RTU])


def portions(data: bytes, ends: list[int]) -> list[bytes]:
    """`data` cut at those places, as a network may do."""
    places = sorted({0, *(end % (len(data) + 1) for end in ends), len(data)})
    return [data[start:end] for start, end in pairwise(places)]


# -- framing -----------------------------------------------------------------------------


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


@settings(max_examples=20)
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


# -- over sockets ------------------------------------------------------------------------


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 20))


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echoing(framing: Framing) -> AsyncIterator[tuple[Relay, int]]:
    """A relay before a server that says back what it is told, and the relay's port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    spare = await asyncio.start_server(echo, HOST, 0)
    port = int(spare.sockets[0].getsockname()[1])
    spare.close()
    relay = Relay((HOST, port), (HOST, server.sockets[0].getsockname()[1]), framing)
    await relay.start()
    try:
        yield relay, port
    finally:
        await relay.stop()
        server.close()


async def connect(port: int) -> Pair:
    return await asyncio.open_connection(HOST, port, local_addr=CLIENT)


def test_without_a_fault_all_passes_even_what_is_no_modbus() -> None:
    async def scenario() -> None:
        async with echoing(ModbusFraming()) as (relay, port):
            reader, writer = await connect(port)
            for data in (modbus(1, b"\6abcd"), b"GET / HTTP/1.0\r\n\r\n", b"x", modbus(2, b"\7")):
                writer.write(data)
                assert await reader.readexactly(len(data)) == data
            assert relay.clients == 1
            writer.close()
            await writer.wait_closed()

    run(scenario())


def test_many_bytes_pass_a_reader_that_is_slow_to_take_them() -> None:
    message = opcua(b"MSG", bytes(range(256)) * 250)

    async def scenario() -> None:
        async with echoing(OpcUaFraming()) as (_, port):
            reader, writer = await connect(port)
            sending = asyncio.create_task(send(writer))
            await asyncio.sleep(0.1)
            for _ in range(200):
                assert await reader.readexactly(len(message)) == message
            await sending
            writer.close()

    async def send(writer: asyncio.StreamWriter) -> None:
        for _ in range(200):
            writer.write(message)
            await writer.drain()

    run(scenario())


def test_a_client_that_takes_nothing_holds_the_server_back() -> None:
    message, enough = opcua(b"MSG", bytes(65_000)), 64 << 20
    sent = 0

    async def scenario() -> None:
        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            while sent < enough:
                writer.write(message)
                await writer.drain()
                sent += len(message)

        server = await asyncio.start_server(pour, HOST, 0)
        async with echoing(OpcUaFraming()) as (relay, port):
            relay.inner = (HOST, server.sockets[0].getsockname()[1])
            _, writer = await connect(port)
            before = -1
            while before < sent:
                before = sent
                await asyncio.sleep(0.3)
            writer.transport.abort()
        server.close()

    run(scenario())
    assert 0 < sent < enough / 2


def test_answers_that_are_slow_by_chance_keep_their_order_and_replay() -> None:
    async def scenario(seed: int) -> list[float]:
        loop = asyncio.get_running_loop()
        async with echoing(ModbusFraming()) as (relay, port):
            await relay.set_fault(Slow(delay_ms=40, jitter_ms=40, seed=seed))
            reader, writer = await connect(port)
            began = loop.time()
            writer.write(b"".join(modbus(number, b"\7") for number in range(20)))
            times = []
            for number in range(20):
                assert await reader.readexactly(8) == modbus(number, b"\7")
                times.append(loop.time() - began)
            assert relay.affected == 20
            writer.close()
            return times

    times = run(scenario(1))
    assert times == sorted(times)
    # Which answers wait for the one before, and so come with it, is told by the seed.
    noise = Random("1:clients")
    expected: list[float] = []
    for _ in range(20):
        expected.append(max(noise.uniform(0, 80) / 1000, expected[-1] if expected else 0.0))
    assert all(time >= due - 0.002 for time, due in zip(times, expected, strict=True))


def test_the_device_itself_does_not_alter_what_its_clients_suffer() -> None:
    async def delays(own: int) -> list[float]:
        async with echoing(ModbusFraming()) as (relay, port):
            await relay.set_fault(Slow(delay_ms=5, jitter_ms=5, seed=9))
            reader, writer = await asyncio.open_connection(HOST, port)
            for number in range(own):
                writer.write(modbus(number, b"\7"))
                await reader.readexactly(8)
            assert relay.clients == 0
            writer.close()
            return [relay.noise(False).random() for _ in range(5)]

    assert run(delays(0)) == run(delays(7))


def test_pieces_of_two_answers_come_one_after_the_other() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with echoing(ModbusFraming()) as (relay, port):
            await relay.set_fault(Split(pieces=4, gap_ms=20))
            reader, writer = await connect(port)
            both = modbus(1, b"\6frst") + modbus(2, b"\6scnd")
            began = loop.time()
            writer.write(both)
            assert await reader.readexactly(len(both)) == both
            assert loop.time() - began >= 7 * 0.02 - 0.002
            assert relay.affected == 2
            writer.close()

    run(scenario())


@pytest.mark.parametrize(
    ("fault", "comes"),
    [
        (BadCrc(), RTU.spoiled(rtu(1, b"\3\2\0\x11"))),
        (Exceptions(code=6), rtu(1, b"\x83\6")),
        (Late(), b""),
        (Split(pieces=3, gap_ms=10), rtu(1, b"\3\2\0\x11")),
    ],
)
def test_an_rtu_answer_suffers_each_fault(fault: DeviceFault, comes: bytes) -> None:
    """The server says one thing to all, since an echo of a request is no answer in RTU."""
    request, answer = rtu(1, b"\3\0\0\0\1"), rtu(1, b"\3\2\0\x11")

    async def scenario() -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(8):
                writer.write(answer)

        server = await asyncio.start_server(say, HOST, 0)
        async with echoing(RTU) as (relay, port):
            relay.inner = (HOST, server.sockets[0].getsockname()[1])
            await relay.set_fault(fault)
            reader, writer = await connect(port)
            writer.write(request)
            if comes:
                assert await reader.readexactly(len(comes)) == comes
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.2)
                writer.write(request)
                assert await reader.readexactly(len(answer)) == answer
            assert relay.affected
            await relay.set_fault(Junk())
            writer.write(request)
            nonsense = await reader.readexactly(len(answer))
            assert nonsense != answer
            writer.close()
        server.close()

    run(scenario())


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[Relay, int, list[bytes]]]:
    """A relay before a server that says one thing to all; also what that has been told."""
    told: list[bytes] = []

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(256):
            told.append(data)
            writer.write(answer)

    server = await asyncio.start_server(say, HOST, 0)
    async with echoing(RTU) as (relay, port):
        relay.inner = (HOST, server.sockets[0].getsockname()[1])
        yield relay, port, told
    server.close()


def test_half_an_rtu_frame_and_a_pause_do_not_shift_what_comes_after_them() -> None:
    request, answer = rtu(1, b"\3\0\0\0\1"), rtu(1, b"\3\2\0\x11")

    async def scenario() -> None:
        async with answering(answer) as (_, port, told):
            reader, writer = await connect(port)
            writer.write(request[:5])
            await asyncio.sleep(RTU.silence * 3)
            for _ in range(2):
                writer.write(request)
                assert await reader.readexactly(len(answer)) == answer
            # In parts without a pause it is one frame.
            for byte in request:
                writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            assert await reader.readexactly(len(answer)) == answer
            assert told == [request] * 3
            writer.close()

    run(scenario())


def test_with_exceptions_only_what_is_for_the_rtu_device_is_refused() -> None:
    async def scenario() -> None:
        async with answering(b"") as (relay, port, told):
            await relay.set_fault(Exceptions(code=6))
            reader, writer = await connect(port)
            everyone = rtu(0, b"\6\0\x64\0\1")
            writer.write(rtu(7, b"\3\0\0\0\1") + everyone + rtu(1, b"\3\0\0\0\1"))
            assert await reader.readexactly(5) == rtu(1, b"\x83\6")
            assert relay.affected == 1
            assert told in ([], [everyone])
            writer.close()

    run(scenario())


def test_requests_that_come_at_once_leave_only_the_last_answer_late() -> None:
    async def scenario() -> None:
        async with echoing(ModbusFraming()) as (relay, port):
            await relay.set_fault(Late())
            reader, writer = await connect(port)
            writer.write(modbus(1, b"\7") + modbus(2, b"\7"))
            assert await reader.readexactly(8) == modbus(1, b"\7")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), 0.1)
            writer.write(modbus(3, b"\7"))
            assert await reader.readexactly(8) == modbus(2, b"\7")
            writer.close()

    run(scenario())


def test_the_end_of_the_server_comes_after_its_delayed_answers() -> None:
    async def scenario() -> None:
        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(8))
            writer.close()

        server = await asyncio.start_server(once, HOST, 0)
        async with echoing(ModbusFraming()) as (relay, port):
            relay.inner = (HOST, server.sockets[0].getsockname()[1])
            await relay.set_fault(Slow(delay_ms=50))
            reader, writer = await connect(port)
            writer.write(modbus(1, b"\7"))
            assert await reader.read() == modbus(1, b"\7")
            writer.close()
        server.close()

    run(scenario())


def test_a_server_that_is_not_there_ends_the_connection() -> None:
    async def scenario() -> None:
        async with echoing(ModbusFraming()) as (relay, port):
            relay.inner = (HOST, 1)
            reader, writer = await connect(port)
            assert await reader.read() == b""
            writer.close()
            assert relay.clients == 0

    run(scenario())


def test_a_healed_relay_drops_no_more() -> None:
    async def scenario() -> None:
        async with echoing(OpcUaFraming()) as (relay, port):
            reader, writer = await connect(port)
            await relay.set_fault(SessionDrop(period_s=0.05))
            assert await reader.read() == b""
            await relay.set_fault(None)
            again, writing = await connect(port)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(again.read(), 0.2)
            assert relay.clients == 1
            for each in (writer, writing):
                each.close()

    run(scenario())


def test_a_port_that_is_taken_is_a_lab_error() -> None:
    async def scenario() -> None:
        async with echoing(ModbusFraming()) as (_, port):
            with pytest.raises(LabError, match="cannot listen on"):
                await Relay((HOST, port), (HOST, port), ModbusFraming()).start()

    run(scenario())
