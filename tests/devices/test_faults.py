"""Faults as data: what they are called, where they exist, and what is none."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from edge_lab.core.errors import InputError
from edge_lab.devices.faults import (
    DEVICE_FAULT,
    BadCrc,
    BrownOut,
    Busy,
    DeviceFault,
    Exceptions,
    Gone,
    Hang,
    Junk,
    Late,
    Reset,
    SessionDrop,
    Slow,
    SlowClock,
    Split,
    Untrusted,
)
from edge_lab.topology import Protocol

SERVED = frozenset(Protocol) - {Protocol.CONTAINER}
FIRMWARE = frozenset({Protocol.MODBUS_RTOS})
BOTH = SERVED - FIRMWARE
ANY = frozenset(Protocol)
RTU = frozenset({Protocol.MODBUS_RTU, Protocol.MODBUS_SERIAL})
MODBUS, OPCUA = RTU | {Protocol.MODBUS}, frozenset({Protocol.OPCUA})

KINDS = [
    (Gone(), "gone", ANY),
    (Gone(how="refused"), "gone, refusing connections", SERVED),
    (Slow(delay_ms=2000), "slow by 2 s", BOTH),
    (Slow(delay_ms=150, jitter_ms=50, seed=3), "slow by 150 ms ± 50 ms", BOTH),
    (Exceptions(), "answers with exception 6", BOTH),
    (Exceptions(code=4, probability=0.3), "answers with exception 4 30 % of the time", BOTH),
    (Junk(), "answers with junk", BOTH),
    (Split(), "answers in 3 pieces 100 ms apart", BOTH),
    (Late(), "answers one request late", MODBUS),
    (BadCrc(), "answers with a bad CRC", RTU),
    (BadCrc(probability=0.5, seed=1), "answers with a bad CRC 50 % of the time", RTU),
    (Busy(), "takes at most 1 connection", MODBUS | FIRMWARE),
    (Busy(connections=4), "takes at most 4 connections", MODBUS | FIRMWARE),
    (Busy(connections=0), "takes no connections", MODBUS | FIRMWARE),
    (SessionDrop(), "drops all sessions", OPCUA),
    (SessionDrop(period_s=5), "drops all sessions every 5 s", OPCUA),
    (Untrusted(), "trusts no client", OPCUA),
    (Reset(), "resets in mid transaction", MODBUS | FIRMWARE),
    (Reset(period_s=30), "resets in mid transaction every 30 s", MODBUS | FIRMWARE),
    (BrownOut(), "without power for 500 ms", MODBUS | FIRMWARE),
    (BrownOut(off_ms=2000, period_s=9), "without power for 2 s every 9 s", MODBUS | FIRMWARE),
    (Hang(), "hangs until its watchdog bites", MODBUS | FIRMWARE),
    (SlowClock(), "has a clock at 50 % of its rate", MODBUS | FIRMWARE),
]


@pytest.mark.parametrize(("fault", "text", "protocols"), KINDS)
def test_a_fault_reads_well_and_says_where_it_exists(
    fault: DeviceFault, text: str, protocols: frozenset[Protocol]
) -> None:
    assert str(fault) == text
    assert {name for name in Protocol if fault.exists_on(name)} == protocols
    assert DEVICE_FAULT.validate_json(fault.model_dump_json()) == fault
    for protocol in Protocol:
        if protocol in protocols:
            fault.check(protocol)
        else:
            with pytest.raises(InputError, match=f"'{fault.kind}' does not exist on {protocol}"):
                fault.check(protocol)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "tired"},
        {"kind": "gone", "how": "loudly"},
        {"kind": "slow"},
        {"kind": "slow", "delay_ms": -1},
        {"kind": "slow", "delay_ms": 60_001},
        {"kind": "slow", "delay_ms": float("nan")},
        {"kind": "slow", "delay_ms": 10, "jitter_ms": 11},
        {"kind": "exceptions", "code": 0},
        {"kind": "exceptions", "code": 256},
        {"kind": "junk", "probability": 1.5},
        {"kind": "split", "pieces": 1},
        {"kind": "late", "by": 2},
        {"kind": "busy", "connections": -1},
        {"kind": "busy", "connections": 33},
        {"kind": "session-drop", "period_s": 0},
    ],
)
def test_what_is_no_fault_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        DEVICE_FAULT.validate_python(wrong)


def test_a_fault_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Slow(delay_ms=10).delay_ms = 20  # type: ignore[misc]
