"""libmodbus and modbus-serial against our Modbus devices: each function that they have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from edge_lab import __version__
from edge_lab.devices import TruthWrite
from edge_lab.devices.points import read_block
from edge_lab.topology import Protocol
from tests.devices.plant_site import (
    Site,
    as_client,
    boiler_spec,
    require_namespaces,
    start_site,
)
from tests.peers.clients import (
    HERE,
    MODBUS_CLIENT,
    NODE_FOLDER,
    on_the_wire,
    require_library,
    require_node_client,
)
from tests.peers.libmodbus_peer import LIBRARY

pytestmark = pytest.mark.slow(
    reason="the clients of others against devices that are processes: make peers"
)


KINDS = {"tcp": Protocol.MODBUS, "rtu": Protocol.MODBUS_RTU}


@dataclass(frozen=True)
class Visit:
    """A device, and what a client has seen of it in one run."""

    kind: str
    site: Site
    found: dict[str, Any]

    @property
    def writes(self) -> list[tuple[str, float]]:
        return [
            (record.address, record.value)
            for record in self.site.client.truth()
            if isinstance(record, TruthWrite)
        ]

    def assert_is_a_step(self, block: list[int]) -> None:
        seq, raw = read_block(self.site.spec.model.points, block)
        assert raw == {step.seq: step for step in self.site.client.steps()}[seq].values


def started(kind: str, factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    site = start_site(boiler_spec(factory.mktemp("d"), protocol=KINDS[kind]))
    try:
        yield site
    finally:
        site.process.kill()
        site.process.wait()


# -- libmodbus ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS)
def libmodbus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    require_library(LIBRARY)
    for site in started(request.param, tmp_path_factory):
        host = str(site.spec.address.ip)
        found = as_client([site], HERE / "libmodbus_peer.py", request.param, host)
        yield Visit(request.param, site, found)


def test_libmodbus_reads_and_writes_what_there_is(libmodbus: Visit) -> None:
    seen = libmodbus.found["seen"]
    for name in ("registers", "input registers"):
        libmodbus.assert_is_a_step(seen[name])
    assert seen["bits"] == [4, [number in (2, 4, 5) for number in range(16)]]
    assert seen["bit"] == [1, [1]]
    assert len(seen["input bits"]) == 16
    assert seen["register"] == [1, [640]]
    assert seen["written registers"] == [1, [641]]
    assert seen["mask"] == [1, [641 & 0xFFF0 | 5]]
    assert seen["written and read"] == [655]


def test_libmodbus_is_refused_what_must_not_be_done(libmodbus: Visit) -> None:
    codes = {
        name: answer["refused"]
        for name, answer in libmodbus.found["refused"].items()
        if isinstance(answer, dict)
    }
    assert codes == {
        "beyond": 2,
        "coils beyond": 2,
        "setpoint as input": 2,
        "read-only": 2,
        "partly read-only": 2,
        "out of bounds": 3,
        "mask of what is read-only": 2,
        "read elsewhere": 2,
        "server id": 1,
    }
    raw = {name: answer for name, answer in libmodbus.found["refused"].items() if name not in codes}
    assert raw.pop("afterwards") == [[655], [1]]
    assert raw.pop("05") == [0x85, 3]
    assert len(raw) == 9
    for name, answer in raw.items():
        assert answer == [int(name[:2], 16) | 0x80, 1], name


def test_the_truth_has_what_libmodbus_wrote_and_no_more(libmodbus: Visit) -> None:
    coils = [("coil 2", 1), ("coil 3", 0), ("coil 4", 1), ("coil 5", 1), ("coil 3", 1)]
    setpoints = [("100", value) for value in (640, 641, 641 & 0xFFF0 | 5, 655)]
    by_units = [("coil 1", 1), ("100", 655)] * (3 if libmodbus.kind == "tcp" else 0)
    assert libmodbus.writes == coils + setpoints + by_units


def test_what_libmodbus_asks_at_once_is_answered_in_order(libmodbus: Visit) -> None:
    for number, lengths in libmodbus.found["at once"].items():
        assert lengths == [2 * (1 + place % 10) for place in range(int(number))]


def test_libmodbus_reaches_the_device_by_the_units_that_mean_it(libmodbus: Visit) -> None:
    if libmodbus.kind == "rtu":
        assert "units" not in libmodbus.found
        return
    units = libmodbus.found["units"]
    assert units.pop("default") == [655]
    refused = {"refused": 11}
    assert units == {unit: [[655], 1, 1] for unit in ("0", "1", "255")} | {
        unit: [refused, refused, refused] for unit in ("2", "7", "247")
    }


# -- modbus-serial -----------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS)
def modbus_serial(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    require_node_client(MODBUS_CLIENT)
    for site in started(request.param, tmp_path_factory):
        command = ["env", f"NODE_PATH={NODE_FOLDER / 'node_modules'}"]
        command += ["node", str(HERE / "modbus_peer.js"), request.param]
        done = on_the_wire(site, [*command, str(site.spec.address.ip)])
        assert done.returncode == 0, done.stderr
        yield Visit(request.param, site, json.loads(done.stdout.splitlines()[-1]))


def test_modbus_serial_reads_and_writes_what_there_is(modbus_serial: Visit) -> None:
    seen = modbus_serial.found["seen"]
    for name in ("registers", "inputs"):
        modbus_serial.assert_is_a_step(seen[name])
    assert seen["coils"] == [0, 0, [number in (8, 9, 10) for number in range(16)]]
    assert len(seen["discrete"]) == 16
    assert seen["setpoint"] == [0, [642], 0, [643]]
    coils = [("coil 8", 1), ("coil 9", 0), ("coil 10", 1), ("coil 9", 1)]
    assert modbus_serial.writes == [*coils, ("100", 642), ("100", 643)]


def test_modbus_serial_is_refused_what_must_not_be_done(modbus_serial: Visit) -> None:
    refused = modbus_serial.found["refused"]
    assert refused.pop("afterwards") == [643]
    assert {name: answer["refused"] for name, answer in refused.items()} == {
        "beyond": 2,
        "read-only": 2,
        "partly read-only": 2,
        "out of bounds": 3,
        "coils beyond": 2,
    }


def test_modbus_serial_reads_what_the_device_is(modbus_serial: Visit) -> None:
    if modbus_serial.kind == "rtu":
        assert modbus_serial.found["identity"] is None
        return
    assert modbus_serial.found["identity"] == {
        "basic": {"0": "edge-lab", "1": "boiler", "2": __version__},
        "one": {"2": __version__},
        "unknown": {"refused": 2},
    }


def test_what_modbus_serial_asks_at_once_comes_to_whom_it_belongs(modbus_serial: Visit) -> None:
    for lengths in modbus_serial.found["at once"]:
        assert lengths == [1 + place % 10 for place in range(len(lengths))]


def test_modbus_serial_reaches_the_device_by_the_units_that_mean_it(modbus_serial: Visit) -> None:
    units = modbus_serial.found["units"]
    if modbus_serial.kind == "tcp":
        assert units == {"0": [643], "1": [643], "255": [643], "7": {"refused": 11}}
