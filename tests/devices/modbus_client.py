"""Run in a peer's namespace: talks Modbus to the boiler, prints what came of it as JSON.

The words are what to do, and `rtu` for RTU frames.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest

HOST = "10.78.0.101"
LENGTH = 10


async def main(what: str, framer: FramerType) -> Any:
    client = AsyncModbusTcpClient(HOST, port=502, framer=framer, timeout=30, retries=0)
    assert await client.connect()
    try:
        return await {"read": read, "write": write, "tables": tables}[what](client)
    finally:
        client.close()


async def read(client: AsyncModbusTcpClient) -> list[list[int]]:
    """Blocks read over a second, as fast as they come at first, then spread."""
    blocks = []
    for number in range(60):
        reply = await client.read_holding_registers(0, count=LENGTH, device_id=1)
        blocks.append(list(reply.registers))
        await asyncio.sleep(0 if number < 30 else 0.03)
    return blocks


async def write(client: AsyncModbusTcpClient) -> dict[str, Any]:
    """What is allowed, and what is refused with which exception code."""

    async def code(reply: Any) -> int:
        answer = await reply
        return int(answer.exception_code) if answer.isError() else 0

    return {
        "setpoint": await code(client.write_register(100, 655, device_id=1)),
        "reads back": (await client.read_holding_registers(100, device_id=1)).registers,
        "too low": await code(client.write_register(100, 10, device_id=1)),
        "read-only": await code(client.write_register(2, 655, device_id=1)),
        "two at once": await code(client.write_registers(99, [1, 655], device_id=1)),
        "coil": await code(client.write_coil(16, True, device_id=1)),
        "beyond": await code(client.read_holding_registers(0, count=LENGTH + 1, device_id=1)),
        "too many": await code(client.execute(False, _TooMany(address=0, count=200, dev_id=1))),
    }


class _TooMany(ReadHoldingRegistersRequest):
    """A read of more registers than an answer can hold."""

    def verifyCount(self, max_count: int = 0, count: int = -1) -> None:  # noqa: N802
        pass


async def tables(client: AsyncModbusTcpClient) -> dict[str, Any]:
    """Each kind of register, and what is refused of each."""

    async def code(reply: Any) -> int:
        answer = await reply
        return int(answer.exception_code) if answer.isError() else 0

    found: dict[str, Any] = {
        "one": await code(client.write_coil(3, True, device_id=1)),
        "more": await code(client.write_coils(12, [True, False, True], device_id=1)),
        "coils": (await client.read_coils(0, count=16, device_id=1)).bits[:16],
        "some": (await client.read_coils(12, count=3, device_id=1)).bits[:3],
        "coils beyond": await code(client.read_coils(9, count=8, device_id=1)),
        "inputs beyond": await code(client.read_input_registers(0, count=LENGTH + 1, device_id=1)),
        "setpoint as input": await code(client.read_input_registers(100, count=1, device_id=1)),
        "discrete beyond": await code(client.read_discrete_inputs(16, count=1, device_id=1)),
    }
    found["samples"] = [
        [
            list((await client.read_input_registers(0, count=LENGTH, device_id=1)).registers),
            (await client.read_discrete_inputs(0, count=16, device_id=1)).bits[:16],
            list((await client.read_holding_registers(0, count=LENGTH, device_id=1)).registers),
        ]
        for _ in range(20)
    ]
    return found


if __name__ == "__main__":
    chosen = FramerType.RTU if "rtu" in sys.argv[2:] else FramerType.SOCKET
    print(json.dumps(asyncio.run(main(sys.argv[1], chosen))))
