"""Modbus in depth: every kind of register, both word orders, RTU frames over a TCP connection."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices import DeviceFault, TruthStep, TruthWrite
from edge_lab.devices.faults import BadCrc, Exceptions, Junk, Late, Slow, Split
from edge_lab.devices.points import read_block
from edge_lab.topology import ModbusOptions, Protocol, WordOrder
from tests.devices.messages import rtu
from tests.devices.modbus_site import tries
from tests.devices.plant_site import (
    HERE,
    Site,
    as_client,
    boiler_spec,
    require_namespaces,
    start_site,
)
from tests.devices.raw_peer import RawPeer, raw_peer

pytestmark = pytest.mark.slow(reason="a device as a process, asked on a wire of its own")

CLIENT = HERE / "modbus_client.py"
LITTLE = ModbusOptions(word_order=WordOrder.LITTLE)


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    require_namespaces()


def running(folder: Path, protocol: Protocol, modbus: ModbusOptions) -> Iterator[Site]:
    site = start_site(boiler_spec(folder, protocol=protocol, modbus=modbus))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Modbus TCP, the low word first."""
    yield from running(tmp_path_factory.mktemp("d"), Protocol.MODBUS, LITTLE)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """RTU over TCP."""
    yield from running(tmp_path_factory.mktemp("d"), Protocol.MODBUS_RTU, ModbusOptions())


@pytest.fixture(scope="module")
def peer(serial: Site) -> Iterator[RawPeer]:
    with raw_peer(serial) as peer:
        yield peer


@pytest.fixture(params=["little", "serial"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(request.param)
    return found


def words(site: Site, what: str) -> list[str]:
    return [what, "rtu"] if site.spec.protocol == Protocol.MODBUS_RTU else [what]


# -- both --------------------------------------------------------------------------------


def test_every_block_is_one_step_of_the_truth(site: Site) -> None:
    blocks = as_client([site], CLIENT, *words(site, "read"))
    truth = {step.seq: step for step in site.client.steps()}
    for block in blocks:
        seq, raw = read_block(site.spec.model.points, block, site.spec.modbus.word_order)
        assert raw == truth[seq].values
    assert len({tuple(block) for block in blocks}) > 5


def test_the_low_word_comes_first_where_it_is_asked_for(little: Site) -> None:
    block = as_client([little], CLIENT, "read")[-1]
    seq = little.client.snapshot().seq
    assert 0 < block[0] <= seq
    assert block[1] == 0


def test_each_kind_of_register_has_its_values_and_its_bounds(site: Site) -> None:
    found = as_client([site], CLIENT, *words(site, "tables"))
    samples = found.pop("samples")
    on = [number in (3, 12, 14) for number in range(16)]
    assert found == {
        "one": 0,
        "more": 0,
        "coils": on,
        "some": [True, False, True],
        "coils beyond": 2,
        "inputs beyond": 2,
        "setpoint as input": 2,
        "discrete beyond": 2,
    }
    order, plant = site.spec.modbus.word_order, site.spec.model
    truth = {step.seq: step for step in site.client.steps()}
    for inputs, flags, holding in samples:
        first, raw = read_block(plant.points, inputs, order)
        last, _ = read_block(plant.points, holding, order)
        assert raw == truth[first].values
        # The flags were read between the two, so they belong to one of the steps from then.
        possible = [
            [flag.holds(truth[seq].values) for flag in plant.flags]  # type: ignore[arg-type]
            for seq in range(first, last + 1)
        ]
        assert flags[: len(plant.flags)] in possible
        assert not any(flags[len(plant.flags) :])


def test_what_cannot_be_written_or_read_is_refused(site: Site) -> None:
    assert as_client([site], CLIENT, *words(site, "write")) == {
        "setpoint": 0,
        "reads back": [655],
        "too low": 3,
        "read-only": 2,
        "two at once": 2,
        "coil": 2,
        "beyond": 2,
        "too many": 3,
    }


def test_coils_are_in_the_truth_and_outlive_the_process(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path, protocol=Protocol.MODBUS_RTU))
    try:
        as_client([site], CLIENT, "tables", "rtu")
        site.process.kill()
        site.process.wait()
        site.restart()
        found = [record for record in site.client.truth() if isinstance(record, TruthWrite)]
        assert {write.address: write.value for write in found} == {
            "coil 3": 1,
            "coil 12": 1,
            "coil 13": 0,
            "coil 14": 1,
        }
        with raw_peer(site) as peer, peer.line() as line:
            assert line.ask(rtu(1, b"\1\0\0\0\x10")) == rtu(1, b"\1\2\x08\x50")
    finally:
        site.process.kill()
        site.process.wait()


# -- RTU frames --------------------------------------------------------------------------


READ = rtu(1, b"\3\0\0\0\2")
SIZES = {"split": [3, 3, 3]}
"""Of the portions of its answer, by the kind of fault."""


def test_frames_for_others_and_damaged_ones_get_no_answer(peer: RawPeer) -> None:
    with peer.line() as line:
        for frame in (rtu(2, b"\3\0\0\0\2"), READ[:-1] + bytes((READ[-1] ^ 1,))):
            line.say(frame)
            assert line.is_silent()
        assert line.ask(READ)[:3] == b"\1\3\4"


def test_a_write_to_all_units_is_carried_out_without_an_answer(serial: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        line.say(rtu(0, struct.pack(">BHH", 6, 100, 600)))
        assert line.is_silent()
        assert line.ask(rtu(1, b"\3\0\x64\0\1")) == rtu(1, struct.pack(">BBH", 3, 2, 600))
    (*_, write) = [each for each in serial.client.truth() if isinstance(each, TruthWrite)]
    assert (write.address, write.value) == ("100", 600)


@pytest.mark.parametrize("function", [0x41, 0x64])
def test_a_function_that_is_not_known_is_refused(peer: RawPeer, function: int) -> None:
    with peer.line() as line:
        refused = rtu(1, bytes((function | 0x80, 1)))
        assert line.ask(rtu(1, bytes((function, 1, 2, 3)))) == refused


def test_a_function_that_is_not_known_is_refused_over_tcp(little: Site) -> None:
    with raw_peer(little) as peer, peer.line() as line:
        asked = bytes((0, 7, 0, 0, 0, 3, 1, 0x41, 9))
        assert line.ask(asked) == bytes((0, 7, 0, 0, 0, 3, 1, 0xC1, 1))


@pytest.mark.parametrize(
    "fault",
    [
        BadCrc(),
        Exceptions(code=4),
        Junk(),
        Late(),
        Slow(delay_ms=200),
        Split(pieces=3, gap_ms=60),
    ],
    ids=lambda fault: fault.kind,
)
def test_an_rtu_answer_goes_wrong_as_asked_and_is_right_again(
    serial: Site, peer: RawPeer, fault: DeviceFault
) -> None:
    with peer.line() as line:
        right = line.ask(READ)
        assert right == rtu(1, right[1:-2])
        right_in_the_end = isinstance(fault, Slow | Split)
        status = serial.client.set_fault(fault, tries(fault))
        try:
            assert status.fault == fault
            assert status.reachable is right_in_the_end
            heard = line.answer(READ, late=isinstance(fault, Late), sizes=SIZES.get(fault.kind, ()))
            match fault:
                case BadCrc():
                    assert heard.bytes[:3] == right[:3]
                    assert heard.bytes != rtu(1, heard.bytes[1:-2])
                    assert len(heard.bytes) == len(right)
                case Exceptions():
                    assert heard.bytes == rtu(1, b"\x83\4")
                case Junk():
                    assert len(heard.bytes) == len(right)
                    assert min(heard.bytes) >= 0x80
                case Late():
                    assert heard.bytes == b""
                    line.say(rtu(1, b"\3\0\x64\0\1"))
                    assert line.hear().bytes[:3] == right[:3]
                case Slow():
                    assert heard.times[0] >= 0.2
                    assert heard.bytes == rtu(1, heard.bytes[1:-2])
                case Split():
                    assert [len(portion) for portion in heard.portions] == SIZES["split"]
            assert serial.client.status(Deadline.after(0.5)).affected
        finally:
            well = serial.client.set_fault(None)
        assert well.reachable
        right = line.ask(READ)
        assert right == rtu(1, right[1:-2])


def test_the_truth_of_a_serial_device_has_no_gap(serial: Site) -> None:
    steps = [record for record in serial.client.truth() if isinstance(record, TruthStep)]
    assert [step.seq for step in steps] == list(range(1, len(steps) + 1))
    assert "Traceback" not in serial.log.read_text()
