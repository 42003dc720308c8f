"""A Modbus line between its requests: nothing of one is left to the next."""

from __future__ import annotations

import asyncio

import pytest

from images.mapper.edge_mapper.modbus import ModbusLine
from images.mapper.edge_mapper.objects import ModelProperty, Property
from images.mapper.edge_mapper.values import ValueType
from tests.mapper.twins import LIMIT

LEVEL = Property(ModelProperty("level", ValueType.INT, True), {"register": 0}, 100, 100)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
@pytest.mark.parametrize("what", ["read", "write"])
def test_a_request_that_is_cancelled_takes_its_connection_with_it(framing: str, what: str) -> None:
    """RTU does not say to which request an answer belongs that comes after all."""

    async def run() -> None:
        asked, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(256):
                asked.set()
            ended.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        line = ModbusLine({"host": "127.0.0.1", "port": port, "framing": framing})
        request = line.read([LEVEL]) if what == "read" else line.write(LEVEL, 5)
        task = asyncio.ensure_future(request)
        await asyncio.wait_for(asked.wait(), LIMIT)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(ended.wait(), LIMIT)
        server.close()

    asyncio.run(run())
