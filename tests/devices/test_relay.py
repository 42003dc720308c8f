"""The relay: transparent without a fault, exact with one."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from edge_lab.core.errors import LabError
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
from edge_lab.devices.framing import ModbusFraming, OpcUaFraming
from edge_lab.devices.relay import Relay
from tests.devices.messages import RTU, modbus, opcua, rtu
from tests.devices.relay_bench import HOST, answering, connect, echoing, run


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
            before = 0
            while not before or before < sent:
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


def test_half_an_rtu_frame_and_a_pause_do_not_shift_what_comes_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request, answer = rtu(1, b"\3\0\0\0\1"), rtu(1, b"\3\2\0\x11")

    async def scenario() -> None:
        async with answering(answer) as (_, port, told):
            reader, writer = await connect(port)
            writer.write(request[:5])
            await asyncio.sleep(RTU.silence * 3)
            for _ in range(2):
                writer.write(request)
                assert await reader.readexactly(len(answer)) == answer
            # In parts without a pause it is one frame; a busy machine may make a pause.
            monkeypatch.setattr(RTU, "silence", 60.0)
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
