"""Run in a peer's namespace: talks Modbus to the boiler, prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

HOST = "10.78.0.101"
LENGTH = 10


async def main(what: str) -> Any:
    client = AsyncModbusTcpClient(HOST, port=502, timeout=5, retries=0)
    assert await client.connect()
    try:
        return await (read(client) if what == "read" else write(client))
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
        "coil": await code(client.write_coil(100, True, device_id=1)),
        "beyond": await code(client.read_holding_registers(0, count=LENGTH + 1, device_id=1)),
        "other unit": await code(client.read_holding_registers(0, count=1, device_id=2)) > 0,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1]))))
