"""mbpoll and libmodbus in RTU mode, at the port of a device's serial line."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator

import pytest

from edge_lab.devices import TruthWrite
from edge_lab.devices.points import read_block
from edge_lab.devices.serial.faults import LineState, LineStates
from tests.devices.plant_site import Site
from tests.devices.serial_site import port_of, serial_site
from tests.peers.clients import require_library, require_program
from tests.peers.libmodbus_peer import LIBRARY, Client

pytestmark = pytest.mark.slow(
    reason="the clients of others against devices that are processes: make peers"
)

LENGTH = 10
VALUE = re.compile(r"^\[\d+\]:\s+(-?\d+)", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serial_site(tmp_path_factory.mktemp("d")) as site:
        yield site


def mbpoll(site: Site, *words: str, values: tuple[int, ...] = ()) -> tuple[int, str]:
    require_program("mbpoll")
    command = ["mbpoll", "-0", "-1", "-q", "-o", "10", "-a", "1", "-m", "rtu", "-b", "115200"]
    command += ["-P", "none", *words, port_of(site), *map(str, values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def libmodbus(site: Site) -> Iterator[Client]:
    require_library(LIBRARY)
    client = Client("rtu", port_of(site))
    try:
        client.unit(1)
        client.connect()
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def line(site: Site, states: LineStates) -> Iterator[None]:
    site.client.set_serial(states)
    try:
        yield
    finally:
        site.client.set_serial(LineStates())


def assert_is_a_step(site: Site, words: list[int]) -> None:
    seq, raw = read_block(site.spec.model.points, words)
    assert raw == {step.seq: step for step in site.client.steps()}[seq].values


def test_mbpoll_reads_a_step_of_the_truth(site: Site) -> None:
    status, said = mbpoll(site, "-t", "4", "-r", "0", "-c", str(LENGTH))
    assert status == 0, said
    assert_is_a_step(site, [int(value) % 2**16 for value in VALUE.findall(said)])


def test_mbpoll_writes_the_setpoint_and_it_is_in_the_truth(site: Site) -> None:
    status, said = mbpoll(site, "-t", "4", "-r", "100", values=(655,))
    assert status == 0, said
    writes = [record for record in site.client.truth() if isinstance(record, TruthWrite)]
    assert ("100", 655) in [(write.address, write.value) for write in writes]


def test_mbpoll_is_refused_what_is_not_there(site: Site) -> None:
    status, said = mbpoll(site, "-t", "4", "-r", "0", "-c", str(LENGTH + 1))
    assert status != 0
    assert "Illegal data address" in said


def test_mbpoll_gets_no_answer_for_another_unit(site: Site) -> None:
    status, said = mbpoll(site, "-a", "2", "-t", "4", "-r", "0", "-o", "1")
    assert status != 0
    assert "timed out" in said


def test_libmodbus_reads_and_writes(site: Site) -> None:
    with libmodbus(site) as client:
        assert_is_a_step(site, client.read("registers", 0, LENGTH))
        assert client.write("register", 100, 700) == 1
        assert client.read("registers", 100, 1) == [700]
        assert client.read("registers", 5000, 1) == {"refused": 2}


def test_libmodbus_sees_each_fault_of_the_line(site: Site) -> None:
    with libmodbus(site) as client:
        for states in (
            LineStates(rx=LineState(noise=1)),
            LineStates(rx=LineState(wrong_parity=0.9)),
            LineStates(tx=LineState(loss=1)),
            LineStates(rx=LineState(is_broken=True), tx=LineState(is_broken=True)),
        ):
            with line(site, states):
                assert "failed" in client.read("registers", 0, 1), states
            client.recover()
        with line(site, LineStates(tx=LineState(noise=0.3, seed=4))):
            outcomes = [client.read("registers", 0, LENGTH) for _ in range(3)]
        # A CRC that does not fit is a number of libmodbus' own, not an exception of the device.
        assert all(isinstance(outcome, dict) for outcome in outcomes), outcomes
        client.recover()
        assert_is_a_step(site, client.read("registers", 0, LENGTH))
