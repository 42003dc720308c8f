"""A device's read of itself by Modbus, as a client over the network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType

from edge_lab.devices.points import (
    MODBUS_PORT,
    MODBUS_UNIT,
    Point,
    read_block,
    registers_of,
)
from edge_lab.topology.device import WordOrder


async def read_sequence(
    address: str,
    points: Sequence[Point],
    seconds: float,
    *,
    framer: FramerType = FramerType.SOCKET,
    order: WordOrder = WordOrder.BIG,
) -> int:
    """The sequence number of one read of all points.

    Raises:
        OSError: no connection, no answer within `seconds`, or one that refuses.
    """
    lost = asyncio.get_running_loop().create_future()

    def changed(connected: bool) -> None:
        if not connected and not lost.done():
            lost.set_exception(ConnectionError("the device closed its own connection"))

    client = AsyncModbusTcpClient(
        address,
        port=MODBUS_PORT,
        framer=framer,
        timeout=seconds,
        retries=0,
        reconnect_delay=0,  # no retry after a refusal
        trace_connect=changed,
    )
    reading = asyncio.create_task(_read_block(client, tuple(points), order))
    try:
        # The client itself would wait for an answer on a closed connection until its timeout.
        await asyncio.wait({reading, lost}, return_when=asyncio.FIRST_COMPLETED)
        return await (reading if reading.done() else lost)
    finally:
        reading.cancel()
        lost.cancel()
        client.close()


async def _read_block(
    client: AsyncModbusTcpClient, points: tuple[Point, ...], order: WordOrder
) -> int:
    if not await client.connect():
        raise ConnectionError("the device does not accept its own connection")
    length = sum(register.point.kind.registers for register in registers_of(points))
    reply = await client.read_holding_registers(0, count=length, device_id=MODBUS_UNIT)
    if reply.isError():
        raise ConnectionError(f"the device answered {reply}")
    seq, _ = read_block(points, reply.registers, order)
    return seq
