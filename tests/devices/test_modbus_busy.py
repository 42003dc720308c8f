"""A Modbus device with sockets for so many connections."""

from __future__ import annotations

import asyncio

import pytest

from edge_lab.devices.faults import Busy
from edge_lab.devices.modbus import ModbusTcpServer
from tests.devices.modbus_bench import device
from tests.devices.modbus_frames import Frame, read
from tests.devices.relay_bench import HOST, connect, run


async def is_served(port: int) -> bool:
    reader, writer = await connect(port)
    writer.write(Frame(1, read(100, 1)).bytes)
    try:
        return await reader.read(11) != b""
    except ConnectionResetError:
        return False
    finally:
        writer.close()


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_busy_device_takes_so_many_connections_and_serves_those(most: int) -> None:
    async def scenario() -> None:
        async with device(ModbusTcpServer) as (relay, port, _):
            await relay.set_fault(Busy(connections=most))
            assert relay.affected == 0
            await relay.overfill(most)
            assert relay.affected == 1
            while relay.clients or relay._connections:
                await asyncio.sleep(0)
            lines = [await connect(port) for _ in range(most)]
            for _ in range(3):
                for reader, writer in lines:
                    writer.write(Frame(1, read(100, 1)).bytes)
                    assert len(await reader.readexactly(11)) == 11
                assert not await is_served(port)
            assert relay.affected == 4
            assert relay.clients == most
            if lines:
                lines.pop()[1].close()
                while relay.clients == most:
                    await asyncio.sleep(0)
                assert await is_served(port)
            await relay.set_fault(None)
            for _ in range(most + 2):
                lines.append(await connect(port))
                assert await is_served(port)
            for _, writer in lines:
                writer.close()

    run(scenario())


def test_connections_that_stand_are_left_alone_by_a_busy_device() -> None:
    async def scenario() -> None:
        async with device(ModbusTcpServer) as (relay, port, _):
            lines = [await connect(port) for _ in range(3)]
            for reader, writer in lines:
                writer.write(Frame(1, read(100, 1)).bytes)
                await reader.readexactly(11)
            await relay.set_fault(Busy(connections=1))
            for reader, writer in lines:
                writer.write(Frame(1, read(100, 1)).bytes)
                assert len(await reader.readexactly(11)) == 11
                assert not await is_served(port)
                writer.close()

    run(scenario())


def test_what_a_busy_device_reads_itself_takes_no_socket_from_a_client() -> None:
    async def scenario() -> None:
        async with device(ModbusTcpServer) as (relay, port, _):
            await relay.set_fault(Busy(connections=1))
            own = await asyncio.open_connection(HOST, port)
            assert await is_served(port)
            own[1].close()
            while relay._connections:
                await asyncio.sleep(0)
            _, writer = await connect(port)
            while not relay.clients:
                await asyncio.sleep(0)
            reader, _ = await asyncio.open_connection(HOST, port)
            assert await reader.read() == b""
            writer.close()

    run(scenario())
