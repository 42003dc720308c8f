"""Faults of serial lines: set at the line, observed by reads that cross it."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.serial.kinds import (
    SerialBreak,
    SerialLoss,
    SerialNoise,
    SerialParity,
)
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit
from edge_lab.topology import SerialOptions


class SerialLines(FaultFamily):
    name = "serial"
    kinds = (SerialNoise, SerialLoss, SerialParity, SerialBreak)

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.families.serial.injector import SerialInjector

        lines = {device.name: device.serial or SerialOptions() for device in lab.topology.devices}
        return SerialInjector(lab.devices, lines, limit)
