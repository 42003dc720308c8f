"""mbpoll, which is made of libmodbus, against our Modbus devices.

It speaks TCP itself. RTU it speaks on a serial line, so it is given one that ends in a TCP
connection: what a converter does, seen from the other side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices import DeviceFault, TruthWrite
from edge_lab.devices.faults import BadCrc, Exceptions, Gone
from edge_lab.devices.points import read_block
from edge_lab.topology import ModbusOptions, Protocol, WordOrder
from tests.devices.plant_site import Site, boiler_spec, require_namespaces, start_site
from tests.devices.raw_peer import RawPeer, raw_peer
from tests.devices.rtos_site import rtos_spec
from tests.peers.clients import HERE, require_program

pytestmark = pytest.mark.slow(
    reason="the clients of others against devices that are processes: make peers"
)


LENGTH = 10
TABLES = {"coils": "0", "discrete": "1", "inputs": "3", "holding": "4"}
LINE = re.compile(r"^\[(\d+)\]:\s+(-?\d+)", re.MULTILINE)
KINDS = {
    "tcp": (Protocol.MODBUS, ModbusOptions()),
    "tcp-little": (Protocol.MODBUS, ModbusOptions(word_order=WordOrder.LITTLE)),
    "rtu": (Protocol.MODBUS_RTU, ModbusOptions()),
    "firmware": (Protocol.MODBUS_RTOS, ModbusOptions()),
}


@dataclass(frozen=True)
class Polled:
    """What mbpoll has said in the end."""

    status: int
    said: str

    @property
    def numbers(self) -> list[int]:
        """The values read, as they are printed."""
        assert self.status == 0, self.said
        return [int(value) for _, value in LINE.findall(self.said)]

    @property
    def words(self) -> list[int]:
        """The values read, without a sign."""
        return [number % 2**16 for number in self.numbers]

    @property
    def refusal(self) -> str:
        assert self.status != 0, self.said
        return self.said.strip().rpartition(":")[2].strip()


@dataclass(frozen=True)
class Bench:
    """A device, and a place on its wire."""

    site: Site
    peer: RawPeer

    def poll(
        self, table: str, first: int, count: int = 1, *, form: str = "", big: bool = False
    ) -> Polled:
        more = ["-B"] if big else []
        return self._run(["-t", TABLES[table] + form, "-r", str(first), "-c", str(count), *more])

    def write(self, table: str, first: int, *values: int) -> Polled:
        return self._run(["-t", TABLES[table], "-r", str(first)], [str(value) for value in values])

    def _run(self, options: list[str], values: Sequence[str] = ()) -> Polled:
        host = str(self.site.spec.address.ip)
        words = ["mbpoll", "-0", "-1", "-q", "-o", "10", "-a", "1", *options]
        if self.site.spec.protocol == Protocol.MODBUS_RTU:
            words = ["--line", f"{host}:502", *words, "-m", "rtu", "-P", "none", "{line}"]
        else:
            words += ["-m", "tcp", host]
        return Polled(**self.peer.run(HERE / "in_namespace.py", *words, *values))


@pytest.fixture(scope="module", params=KINDS)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    require_program("mbpoll")
    require_namespaces()
    protocol, options = KINDS[request.param]
    folder = tmp_path_factory.mktemp("d")
    if protocol == Protocol.MODBUS_RTOS:
        site = start_site(rtos_spec(folder))
    else:
        site = start_site(boiler_spec(folder, protocol=protocol, modbus=options))
    try:
        with raw_peer(site) as peer:
            yield Bench(site, peer)
    finally:
        site.process.kill()
        site.process.wait()


@pytest.fixture
def site(bench: Bench) -> Site:
    return bench.site


@pytest.mark.parametrize("table", ["holding", "inputs"])
def test_a_block_is_one_step_of_the_truth(bench: Bench, site: Site, table: str) -> None:
    block = bench.poll(table, 0, LENGTH).words
    seq, raw = read_block(site.spec.model.points, block, site.spec.modbus.word_order)
    assert raw == {step.seq: step for step in site.client.steps()}[seq].values


def test_a_32_bit_value_is_right_in_its_word_order_alone(bench: Bench, site: Site) -> None:
    right = site.spec.modbus.word_order is WordOrder.BIG
    before = site.client.snapshot().seq
    values = [
        bench.poll("holding", 0, form=":int", big=big).numbers[0] for big in (right, not right)
    ]
    assert before <= values[0] <= site.client.snapshot().seq
    assert values[1] >= 2**16


def test_the_setpoint_is_written_and_read_back(bench: Bench, site: Site) -> None:
    assert bench.write("holding", 100, 655).status == 0
    assert bench.poll("holding", 100).words == [655]
    writes = [record for record in site.client.truth() if isinstance(record, TruthWrite)]
    assert ("100", 655) in [(write.address, write.value) for write in writes]


def test_coils_are_switched_and_discrete_inputs_are_the_flags(bench: Bench, site: Site) -> None:
    assert bench.write("coils", 4, 1, 0, 1).status == 0
    assert bench.poll("coils", 0, 16).words == [number in (4, 6) for number in range(16)]
    before = site.client.snapshot().seq
    flags = bench.poll("discrete", 0, 16).words
    plant = site.spec.model
    possible = [
        [flag.holds(step.values) for flag in plant.flags]  # type: ignore[arg-type]
        for step in site.client.steps()
        if step.seq >= before
    ]
    assert flags[: len(plant.flags)] in possible
    assert not any(flags[len(plant.flags) :])


def test_what_is_not_allowed_is_refused_as_the_protocol_says(bench: Bench, site: Site) -> None:
    assert bench.write("holding", 100, 10).refusal == "Illegal data value"
    assert bench.write("holding", 2, 655).refusal == "Illegal data address"
    assert bench.poll("holding", 0, LENGTH + 1).refusal == "Illegal data address"
    assert bench.poll("inputs", 100).refusal == "Illegal data address"
    assert bench.write("coils", 16, 1).refusal == "Illegal data address"


def test_faults_are_seen_for_what_they_are(bench: Bench, site: Site) -> None:
    faults: dict[DeviceFault, str] = {Exceptions(code=6): "Slave device or server is busy"}
    if site.spec.protocol == Protocol.MODBUS_RTOS:
        faults = {Gone(how="refused"): "Connection refused."}
    if site.spec.protocol == Protocol.MODBUS_RTU:
        faults[BadCrc()] = "Invalid CRC"
    for fault, seen in faults.items():
        site.client.set_fault(fault, Deadline.after(20))
        try:
            assert bench.poll("holding", 0).refusal == seen
        finally:
            site.client.set_fault(None)
            site.ready()
    assert len(bench.poll("holding", 0, LENGTH).words) == LENGTH
