"""A device as a process, over its serial line; faults of the line are proved on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.devices.faults import Gone
from edge_lab.devices.serial.faults import CLEAR, LineStates
from edge_lab.faults.families.serial.injector import SerialInjector
from edge_lab.faults.families.serial.kinds import SerialFault
from edge_lab.faults.families.serial.prooftime import (
    ANSWER_CHARACTERS,
    REQUEST_CHARACTERS,
    read_seconds,
)
from edge_lab.faults.kinds import SerialBreak, SerialLoss, SerialNoise, SerialParity
from edge_lab.topology import SerialOptions
from tests.devices.plant_site import Site
from tests.devices.serial_site import serial_site

pytestmark = pytest.mark.slow(reason="a device as a process, in a namespace of its own")

LINES = {"boiler": SerialOptions()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serial_site(tmp_path_factory.mktemp("d")) as site:
        yield site


@pytest.mark.parametrize(
    "fault",
    [
        SerialNoise(device="boiler", probability=0.05),
        SerialLoss(device="boiler", probability=0.05, direction="rx"),
        SerialParity(device="boiler", probability=0.05, direction="tx"),
        SerialBreak(device="boiler"),
    ],
    ids=lambda fault: str(fault.fault),
)
def test_a_fault_of_the_line_is_proved_and_so_is_its_heal(site: Site, fault: SerialFault) -> None:
    injector = SerialInjector({"boiler": site.client}, LINES, lambda _: Deadline.after(120))
    assert "characters affected" in injector.inject(fault)
    assert site.client.serial_status().states == fault.states
    assert injector.heal(fault)
    assert site.client.serial_status().states == LineStates(rx=CLEAR, tx=CLEAR)


def test_a_device_that_is_gone_is_silent_on_its_line_too(site: Site) -> None:
    site.client.set_fault(Gone(), Deadline.after(60))
    try:
        assert not site.client.ask_over_serial().answered
        injector = SerialInjector({"boiler": site.client}, LINES, lambda _: Deadline.after(3))
        with pytest.raises(LabError):
            injector.inject(SerialBreak(device="boiler"))
    finally:
        site.client.set_fault(None)
    assert site.client.ask_over_serial().answered


def test_a_proof_makes_its_reads_as_fast_as_is_counted_on(tmp_path: Path) -> None:
    """On a slow line, where rare faults may be missed; and each read has that many characters."""
    slow = SerialOptions(baud=1_200)
    count, tries = 10, 8
    with serial_site(tmp_path, slow) as site:
        for _ in range(tries):  # a busy machine has no time for a line at times
            before, began = site.client.serial_status(), time.monotonic()
            for _ in range(count):
                assert site.client.ask_over_serial().answered
            took = time.monotonic() - began
            after = site.client.serial_status()
            assert after.rx.characters - before.rx.characters == count * REQUEST_CHARACTERS
            assert after.tx.characters - before.tx.characters == count * ANSWER_CHARACTERS
            if took < count * read_seconds(slow):
                break
    assert took < count * read_seconds(slow)
