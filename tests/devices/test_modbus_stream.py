"""Requests in a stream, through relay and server: the same answers however they are cut."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.faults import (
    BadCrc,
    DeviceFault,
    Exceptions,
    Junk,
    Late,
    Slow,
    Split,
)
from edge_lab.devices.framing import ModbusFraming
from edge_lab.devices.modbus import ModbusRtuServer, ModbusServer, ModbusTcpServer
from tests.budget import examples
from tests.devices.messages import portions, rtu
from tests.devices.modbus_bench import device, noted, serves
from tests.devices.modbus_frames import Frame, frames, read, read_and_write, write, write_more
from tests.devices.relay_bench import CLIENT, HOST, Pair, connect, run

pdus = st.sampled_from(
    [
        read(),
        read(100, 1),
        read(0, 126),
        read(0, 16, 1),
        read(0, 3, 2),
        read(0, 3, 4),
        write(650),
        write(1),
        write(0xFF00, 4, 5),
        write(0x1234, 4, 5),
        b"\x0f\0\1\0\3\1\5",
        write_more(100, 660),
        write_more(99, 1, 2),
        b"\x16\0\x64\xff\xf0\0\5",
        read_and_write(100, 1, 100, 670),
        read_and_write(300, 1, 100, 680),
        b"\x2b\x0e\1\0",
        b"\x08\0\0\x12\x34",
        b"\x18\0\0",
        b"\x63\1\2",
    ]
)
units = st.sampled_from([1, 1, 1, 0, 7, 255])
cuts = st.lists(st.integers(0, 4000), max_size=15)


def as_one_by_one(kind: type[ModbusServer], sent: list[bytes]) -> tuple[bytes, object]:
    """What is answered and written if each request waits for the answer to the one before."""
    server = serves(kind)
    written = noted(server)
    return b"".join(server.answer(request) for request in sent), written


async def as_a_stream(
    kind: type[ModbusServer], stream: list[bytes], size: int
) -> tuple[bytes, object]:
    async with device(kind) as (_, port, server):
        written = noted(server)
        server.framing.silence = 60.0  # a stall of a busy machine is no end of a frame
        reader, writer = await connect(port)
        for portion in stream:
            writer.write(portion)
            for _ in range(3):
                await asyncio.sleep(0)
        answers = await reader.readexactly(size)
        # Whatever came beside them would come before the answer to this.
        writer.write(LAST[kind])
        assert await reader.readexactly(len(END[kind])) == END[kind]
        writer.close()
        return answers, written


LAST = {
    ModbusTcpServer: Frame(0xFFFF, b"\x63").bytes,
    ModbusRtuServer: rtu(1, b"\x63\0"),
}
END = {
    ModbusTcpServer: Frame(0xFFFF, b"\xe3\1").bytes,
    ModbusRtuServer: rtu(1, b"\xe3\1"),
}


@settings(max_examples=examples(60))
@given(st.lists(st.builds(Frame, st.integers(0, 0xFFFE), pdus, units), max_size=30), cuts)
def test_modbus_tcp_is_answered_the_same_however_it_is_cut(
    sent: list[Frame], ends: list[int]
) -> None:
    requests = [frame.bytes for frame in sent]
    expected, written = as_one_by_one(ModbusTcpServer, requests)
    got = run(as_a_stream(ModbusTcpServer, portions(b"".join(requests), ends), len(expected)))
    assert got == (expected, written)
    assert [answer.transaction for answer in frames(got[0])] == [
        frame.transaction for frame in sent
    ]


@settings(max_examples=examples(60))
@given(st.lists(st.builds(rtu, units, pdus), max_size=20), cuts)
def test_rtu_is_answered_the_same_however_it_is_cut(sent: list[bytes], ends: list[int]) -> None:
    expected, written = as_one_by_one(ModbusRtuServer, sent)
    got = run(as_a_stream(ModbusRtuServer, portions(b"".join(sent), ends), len(expected)))
    assert got == (expected, written)


@pytest.mark.parametrize("kind", [ModbusTcpServer, ModbusRtuServer])
def test_a_client_that_sends_no_more_still_gets_its_answers(kind: type[ModbusServer]) -> None:
    requests = [Frame(place, read()).bytes for place in range(30)]
    if kind is ModbusRtuServer:
        requests = [rtu(1, read())] * 30

    async def scenario() -> None:
        async with device(kind) as (relay, port, _):
            reader, writer = await connect(port)
            writer.write(b"".join(requests))
            writer.write_eof()
            assert await reader.read() == as_one_by_one(kind, requests)[0]
            writer.close()
            while relay.clients:
                await asyncio.sleep(0)

    run(scenario())


@pytest.mark.parametrize("fault", [None, Exceptions(code=4)])
def test_a_client_that_takes_no_answers_is_held_back_and_gets_them_all(
    fault: DeviceFault | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a request may take to be whole."""
    number, most = 30_000, 4096
    monkeypatch.setattr(ModbusFraming, "silence", 0.1)
    asked = b"".join(Frame(place % 65_536, read(0, 9)).bytes for place in range(number))

    async def scenario() -> None:
        async with device(ModbusTcpServer) as (relay, port, _):
            await relay.set_fault(fault)
            with socket.socket() as small:
                small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most)
                small.bind(CLIENT)
                small.connect((HOST, port))
                reader, writer = await asyncio.open_connection(sock=small.dup())
            while not relay.clients:
                await asyncio.sleep(0)
            (connection,) = relay._connections
            line = connection._client.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, most)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(asked)
            while not connection._held_back:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert connection._held_back
            assert connection._owed < 30_000
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            for place in range(number):
                head = await reader.readexactly(6)
                body = await reader.readexactly(head[5])
                assert int.from_bytes(head[:2], "big") == place % 65_536
                assert body[1] in (3, 0x83)
            writer.close()

    run(scenario())


async def ask_at_once(port: int, number: int, data: bytes) -> Pair:
    reader, writer = await connect(port)
    writer.write(b"".join(Frame(place, data).bytes for place in range(number)))
    return reader, writer


@pytest.mark.parametrize(
    "fault",
    [
        Exceptions(code=4, probability=0.5, seed=3),
        Slow(delay_ms=20, jitter_ms=20),
        Split(pieces=3, gap_ms=1),
    ],
    ids=lambda fault: fault.kind,
)
def test_answers_keep_their_order_whatever_the_fault(fault: DeviceFault) -> None:
    async def scenario() -> None:
        async with device(ModbusTcpServer) as (relay, port, _):
            await relay.set_fault(fault)
            reader, writer = await ask_at_once(port, 40, read())
            found = []
            for place in range(40):
                head = await reader.readexactly(6)
                (answer,) = frames(head + await reader.readexactly(head[5]))
                assert answer.transaction == place
                found.append(answer.data[0])
            refused = isinstance(fault, Exceptions)
            assert set(found) == ({3, 0x83} if refused else {3})
            assert relay.affected == (found.count(0x83) if refused else 40)
            writer.close()

    run(scenario())


def test_each_answer_in_rtu_has_its_own_bad_crc_or_junk() -> None:
    async def scenario(fault: DeviceFault) -> bytes:
        async with device(ModbusRtuServer) as (relay, port, _):
            await relay.set_fault(fault)
            reader, writer = await connect(port)
            writer.write(rtu(1, read(100, 1)) * 5)
            answers = await reader.readexactly(5 * 7)
            assert relay.affected == 5
            writer.close()
            return answers

    right = rtu(1, b"\3\2\2\x58")
    spoiled = right[:-2] + bytes(byte ^ 0xFF for byte in right[-2:])
    assert run(scenario(BadCrc())) == spoiled * 5
    assert min(run(scenario(Junk()))) >= 0x80


@pytest.mark.parametrize("kind", [ModbusTcpServer, ModbusRtuServer])
def test_late_holds_the_last_answer_of_many_and_no_other(kind: type[ModbusServer]) -> None:
    def request(place: int) -> bytes:
        return Frame(place, read(100, 1)).bytes if kind is ModbusTcpServer else rtu(1, READ)

    def answer(place: int) -> bytes:
        data = b"\3\2\2\x58"
        return Frame(place, data).bytes if kind is ModbusTcpServer else rtu(1, data)

    READ = read(100, 1)  # noqa: N806

    async def scenario() -> None:
        async with device(kind) as (relay, port, _):
            await relay.set_fault(Late())
            reader, writer = await connect(port)
            writer.write(b"".join(request(place) for place in range(5)))
            expected = b"".join(answer(place) for place in range(4))
            assert await reader.readexactly(len(expected)) == expected
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.15)
            writer.write(request(5))
            assert await reader.readexactly(len(answer(4))) == answer(4)
            writer.close()

    run(scenario())


def test_more_requests_than_a_slow_device_keeps_are_refused_as_busy() -> None:
    async def scenario() -> None:
        async with device(ModbusTcpServer) as (relay, port, server):
            written = noted(server)
            await relay.set_fault(Slow(delay_ms=60_000))
            reader, writer = await ask_at_once(port, 300, write(650))
            while relay.affected < 300:
                await asyncio.sleep(0.01)
            await relay.set_fault(None)
            stream = b""
            while len(stream) < 128 * 12 + 172 * 9:
                stream += await reader.read(65_536)
            found = frames(stream)
            assert [answer.transaction for answer in found] == list(range(300))
            assert [answer.data for answer in found] == [write(650)] * 128 + [b"\x86\6"] * 172
            assert len(written) == 128
            writer.write(Frame(7, read(100, 1)).bytes)
            assert await reader.readexactly(11) == Frame(7, b"\3\2\2\x8a").bytes
            writer.close()

    run(scenario())
