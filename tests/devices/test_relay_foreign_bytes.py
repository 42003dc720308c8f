"""Whatever clients send to a relay, under any fault, its other clients are served afterwards."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.faults import BadCrc, DeviceFault, Exceptions, Junk, Late, Slow, Split
from edge_lab.devices.framing import Framing, ModbusFraming, OpcUaFraming
from tests.budget import examples
from tests.devices.messages import RTU, modbus, modbus_messages, opcua, opcua_messages, rtu
from tests.devices.relay_bench import connect, echoing, run

pytestmark = pytest.mark.slow(reason="connections over loopback")

GOOD = (
    (ModbusFraming(), modbus(1, b"\x06\0\x64\0\1")),
    (OpcUaFraming(), opcua(b"HEL", b"hello")),
    (RTU, rtu(1, b"\x06\0\x64\0\1")),
)
FAULTS: tuple[DeviceFault | None, ...] = (
    *(None, Slow(delay_ms=1), Exceptions(), Junk(), Split(pieces=4, gap_ms=1), Late(), BadCrc()),
)
chunks = st.lists(
    st.binary(min_size=1, max_size=300) | modbus_messages | opcua_messages, min_size=1, max_size=5
)


async def serves(
    framing: Framing, good: bytes, fault: DeviceFault | None, sent: list[bytes]
) -> bool:
    """Whether a new client is answered after another one has sent all that under the fault."""
    async with echoing(framing) as (relay, port):
        await relay.set_fault(fault)
        reader, writer = await connect(port)
        with contextlib.suppress(ConnectionError):
            for chunk in sent:
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), 0.05)
        writer.close()
        await relay.set_fault(None)
        reader, writer = await connect(port)
        writer.write(good)
        answer = await asyncio.wait_for(reader.readexactly(len(good)), 60)
        writer.close()
        return answer == good


@settings(max_examples=examples(40))
@given(known=st.sampled_from(GOOD), fault=st.sampled_from(FAULTS), sent=chunks)
def test_no_bytes_of_one_client_end_the_service_of_others(
    known: tuple[Framing, bytes], fault: DeviceFault | None, sent: list[bytes]
) -> None:
    if isinstance(fault, BadCrc | Exceptions) and known[0] is not RTU:
        fault = None
    assert run(serves(*known, fault, sent))
