"""A device's plant as Modbus tables; the register map is in points.py."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab import __version__
from edge_lab.devices.modbus_pdu import Code, Identity, Refused, Tables
from edge_lab.devices.points import (
    COILS,
    DISCRETE_INPUTS,
    SETPOINT_REGISTER,
    block_of,
    coil,
)
from edge_lab.devices.serving import Shown
from edge_lab.topology.device import WordOrder


class PlantTables(Tables):
    """Reads the current values, and writes setpoint and coils."""

    def __init__(self, shown: Shown, order: WordOrder) -> None:
        self._shown = shown
        self._order = order
        self.identity = Identity("edge-lab", shown.plant.name, __version__)

    def coils(self, start: int, count: int) -> list[bool]:
        _require(start + count <= COILS)
        return self._shown.coils[start : start + count]

    def discrete_inputs(self, start: int, count: int) -> list[bool]:
        _require(start + count <= DISCRETE_INPUTS)
        flags = [flag.holds(self._shown.raw) for flag in self._shown.plant.flags]
        flags += [False] * (DISCRETE_INPUTS - len(flags))
        return flags[start : start + count]

    def holding_registers(self, start: int, count: int) -> list[int]:
        if (start, count) == (SETPOINT_REGISTER, 1):
            return [self._shown.requested]
        return self.input_registers(start, count)

    def input_registers(self, start: int, count: int) -> list[int]:
        shown = self._shown
        block = block_of(shown.plant.points, shown.seq, shown.raw, self._order)
        _require(start + count <= len(block))
        return block[start : start + count]

    def write_coils(self, start: int, values: Sequence[bool]) -> None:
        _require(start + len(values) <= COILS)
        for number, value in enumerate(values, start):
            self._shown.on_write(coil(number), int(value))
            self._shown.coils[number] = value

    def write_registers(self, start: int, values: Sequence[int]) -> None:
        _require(start == SETPOINT_REGISTER and len(values) == 1)
        raw = values[0]
        if not self._shown.plant.setpoint.accepts(raw):
            raise Refused(Code.ILLEGAL_VALUE)
        self._shown.on_write(str(SETPOINT_REGISTER), raw)
        self._shown.requested = raw


def _require(there: bool) -> None:
    if not there:
        raise Refused(Code.ILLEGAL_ADDRESS)
