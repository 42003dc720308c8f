"""`lab doctor` on serial ports of hosts that do not exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.doctor.host import Examination, Host
from edge_lab.doctor.serialports import check_serial_ports
from edge_lab.topology import parse_topology
from tests.small_topology import GOOD


@dataclass
class FakeHost(Host):
    has_pyserial: bool = True
    problem: str = ""

    def module(self, name: str) -> bool:
        assert name == "serial"
        return self.has_pyserial

    def open_problem(self, path: str) -> str:
        assert path == "/dev/ttyUSB0"
        return self.problem


def seen(host: FakeHost, serial: str) -> dict[str, bool]:
    text = GOOD.replace("protocol: modbus-tcp", f"protocol: modbus-rtu{serial}")
    examination = Examination(host, parse_topology(text), Path(), all_cached=True)
    checks = list(check_serial_ports(examination))
    assert all(bool(check.remedy) != check.ok for check in checks)
    return {check.name: check.ok for check in checks}


REAL = ", serial: {port: /dev/ttyUSB0}"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (FakeHost(), {"pyserial": True, "/dev/ttyUSB0": True}),
        (FakeHost(has_pyserial=False), {"pyserial": False, "/dev/ttyUSB0": True}),
        (FakeHost(problem="Permission denied"), {"pyserial": True, "/dev/ttyUSB0": False}),
    ],
)
def test_a_port_of_the_host_is_looked_at(host: FakeHost, found: dict[str, bool]) -> None:
    assert seen(host, REAL) == found


@pytest.mark.parametrize("serial", ["", ", serial: {port: pty}"])
def test_a_pseudo_terminal_needs_nothing(serial: str) -> None:
    assert seen(FakeHost(has_pyserial=False, problem="no"), serial) == {}
