"""A Modbus device that answers with anything: values, a refusal, or a device that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from images.mapper.edge_mapper import modbus
from images.mapper.edge_mapper.lines import Declined, Gone, Refusal
from images.mapper.edge_mapper.modbus import ModbusLine
from images.mapper.edge_mapper.objects import parse_device, parse_model
from images.mapper.edge_mapper.values import text_of
from tests.budget import examples
from tests.mapper.twins import device, model

pytestmark = pytest.mark.slow(reason="a connection for each example, and devices that say nothing")

ANSWER_SECONDS = 0.2
"""In place of the seconds that a real device has."""
HANGS_SECONDS = 20.0

PROPERTIES = list(parse_device(device(), parse_model(model())).properties.values())


@contextlib.asynccontextmanager
async def answering(answer: bytes, hangs_up: bool, framed: bool) -> AsyncIterator[int]:
    """A device that answers each request so; with the head of a frame that fits, if framed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readexactly(12)
                head = struct.pack(">2sHHB", request[:2], 0, len(answer) + 1, request[6])
                writer.write(head + answer if framed else answer)
                await writer.drain()
                if hangs_up:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def asked(answer: bytes, hangs_up: bool, framed: bool) -> None:
    async with answering(answer, hangs_up, framed) as port:
        line = ModbusLine({"host": "127.0.0.1", "port": port})
        try:
            with contextlib.suppress(Gone, Declined):
                found = await asyncio.wait_for(line.read(PROPERTIES), HANGS_SECONDS)
                assert found.keys() == {each.name for each in PROPERTIES}
                for value in found.values():
                    assert isinstance(value, Refusal) or text_of(value)
        finally:
            await line.close()


ANSWERS = st.binary(max_size=40) | st.builds(
    lambda code, count, content: bytes([code, count]) + content,
    st.sampled_from([1, 2, 3, 4, 6, 0x10, 0x2B, 0x83, 0x84, 0xFF]),
    st.integers(0, 255),
    st.binary(max_size=20),
)


@settings(max_examples=examples(60))
@given(ANSWERS, st.booleans(), st.booleans())
@example(b"\x03\x02\x00\x07", False, True)
@example(b"\x03\xff\x00", False, True)
@example(b"\x83", True, True)
@example(b"", True, True)
def test_whatever_a_device_answers_it_is_read_or_not(
    answer: bytes, hangs_up: bool, framed: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(modbus, "ANSWER_SECONDS", ANSWER_SECONDS)
        asyncio.run(asked(answer, hangs_up, framed))
