"""A Modbus device with faults, and a peer that reads it byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices import DeviceFault, DeviceStatus
from edge_lab.devices.faults import BadCrc, Junk, Late, Slow
from edge_lab.devices.points import SETPOINT_REGISTER, read_block
from tests.devices.plant_site import PATIENCE, Site, boiler_spec, require_namespaces, start_site
from tests.devices.raw_peer import Line, RawPeer, raw_peer

REGISTERS = 10


@pytest.fixture(scope="module")
def boiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    site = start_site(boiler_spec(tmp_path_factory.mktemp("d")))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.fixture(scope="module")
def peer(boiler: Site) -> Iterator[RawPeer]:
    with raw_peer(boiler) as peer:
        yield peer


def tries(fault: DeviceFault) -> Deadline:
    """How long the device tries itself, where it does not notice at once how it is."""
    in_vain = isinstance(fault, BadCrc | Junk | Late) or fault == Slow(delay_ms=60_000)
    return Deadline.after(1.0 if in_vain else PATIENCE)


@contextmanager
def fault(site: Site, fault: DeviceFault) -> Iterator[DeviceStatus]:
    """The device does `fault`; the status is from just after it was set."""
    status = site.client.set_fault(fault, tries(fault))
    assert status.fault == fault
    try:
        yield status
    finally:
        well = site.client.set_fault(None)
    assert well.reachable, well.trouble
    assert (well.fault, well.affected) == (None, 0)
    assert well.answer_ms is not None


def read_request(transaction: int, count: int = REGISTERS) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, 1, 3, 0, count)


def write_request(transaction: int, raw: int) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, 1, 6, SETPOINT_REGISTER, raw)


def assert_right(site: Site, answer: bytes, number: int) -> None:
    """It is the whole answer to the read with that number, and true."""
    head = struct.pack(">HHHBBB", number, 0, 3 + 2 * REGISTERS, 1, 3, 2 * REGISTERS)
    assert answer[: len(head)] == head
    assert len(answer) == len(head) + 2 * REGISTERS
    seq, raw = read_block(site.spec.model.points, struct.unpack(">10H", answer[len(head) :]))
    assert raw == {step.seq: step for step in site.client.steps()}[seq].values


def reads_right(site: Site, line: Line, number: int = 9) -> None:
    """What comes first on this line in answer to a read is the whole answer, and true."""
    assert_right(site, line.ask(read_request(number)), number)
