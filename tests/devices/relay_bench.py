"""A relay before a server that echoes or says one thing, and its clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from edge_lab.core.ports import choose_ports
from edge_lab.devices.framing import Framing
from edge_lab.devices.relay import Relay
from tests.devices.messages import RTU

T = TypeVar("T")
HOST = "127.0.0.1"
CLIENT = ("127.0.0.2", 0)
"""Another address than the relay's: whoever comes from that is the device itself."""


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 60))


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
    (port,) = choose_ports(1)
    relay = Relay((HOST, port), (HOST, server.sockets[0].getsockname()[1]), framing)
    await relay.start()
    try:
        yield relay, port
    finally:
        await relay.stop()
        server.close()


async def connect(port: int) -> Pair:
    return await asyncio.open_connection(HOST, port, local_addr=CLIENT)


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
