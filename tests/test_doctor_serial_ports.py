"""`lab doctor` on serial ports of hosts that do not exist."""

from __future__ import annotations

import errno
import os
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


@pytest.mark.parametrize(("number", "busy"), [(errno.EBUSY, True), (errno.EACCES, False)])
def test_a_port_that_another_program_has_needs_no_right_to_it(number: int, busy: bool) -> None:
    text = GOOD.replace("protocol: modbus-tcp", f"protocol: modbus-rtu{REAL}")
    host = FakeHost(problem=os.strerror(number))
    examination = Examination(host, parse_topology(text), Path(), all_cached=True)
    _, check = check_serial_ports(examination)
    assert ("dialout" in check.remedy, check.needs_root) == (not busy, not busy)
    assert ("/dev/ttyUSB0" in check.remedy) == busy


def test_a_look_at_a_port_does_not_wait_for_its_other_end(tmp_path: Path) -> None:
    opened: list[int] = []
    genuine = os.open

    def noting(path: str, flags: int, *more: int) -> int:
        opened.append(flags)
        return genuine(path, flags, *more)

    (tmp_path / "port").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", noting)
        assert not Host().open_problem(str(tmp_path / "port"))
    assert opened[0] & os.O_NONBLOCK
    assert opened[0] & os.O_NOCTTY


@pytest.mark.parametrize("serial", ["", ", serial: {port: pty}"])
def test_a_pseudo_terminal_needs_nothing(serial: str) -> None:
    assert seen(FakeHost(has_pyserial=False, problem="no"), serial) == {}
