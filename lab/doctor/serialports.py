"""Checks the host's serial ports that devices of a topology use."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from edge_lab.devices.serial.port import PYSERIAL_REMEDY
from edge_lab.doctor.host import Examination
from edge_lab.doctor.model import HostCheck
from edge_lab.topology.device import PSEUDO_TERMINAL


def check_serial_ports(this: Examination) -> Iterator[HostCheck]:
    """No checks for a topology whose serial lines are pseudo-terminals."""
    ports = {
        device.serial.port: device.name
        for device in this.topology.devices
        if device.serial is not None and device.serial.port != PSEUDO_TERMINAL
    }
    if not ports:
        return
    there = this.host.module("serial")
    yield HostCheck(
        name="pyserial",
        ok=there,
        found="installed" if there else "not installed",
        needed_for="serial ports",
        remedy="" if there else PYSERIAL_REMEDY,
    )
    for port, device in ports.items():
        problem = this.host.open_problem(port)
        busy = problem == os.strerror(errno.EBUSY)
        yield HostCheck(
            name=port,
            ok=not problem,
            found=problem or "can be opened",
            needed_for=f"the serial line of {device}",
            remedy=_remedy(port, this.host.user(), busy=busy) if problem else "",
            needs_root=bool(problem) and not busy,
        )


def _remedy(port: str, user: str, *, busy: bool) -> str:
    if busy:
        return f"Another program uses it, perhaps the running lab: fuser -v {port}"
    return f"Plug it in; as a user, be a member of its group: sudo usermod -aG dialout {user}"
