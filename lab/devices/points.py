"""The points of a device, and their addresses in Modbus and in OPC UA.

A point's value is a whole number of its last decimal place (`raw`): 65.3 °C with one digit
is 653.  Modbus serves raw numbers, OPC UA the values that they represent, so that both are
exact and can be compared for equality.

Register map (unit 1; each register big-endian, the high word of two first, unless the device
has `word_order: little`):

    holding registers and, read only, input registers
    0-1     sequence, uint32: grows by one with each step of the plant
    2-...   the points in their order, one register for a uint16, two for an int32
    holding registers
    100     requested setpoint, uint16, the only one that can be written
    discrete inputs
    0-15    the plant's flags in their order, off where it has no more
    coils
    0-15    outputs that an operator sets and reads back; the plant ignores them

Registers 0 to the last point are one block without a gap: one read of it is one consistent
sample.  The block has the active setpoint of that step; a new one written to register 100 is
active from the next step.

OPC UA: namespace `urn:edge-lab:plant` (index 2), one folder object `ns=2;s=<plant>` below
Objects, in it `ns=2;s=<plant>.<point>`, `.sequence` (UInt32) and, writable,
`.requested_setpoint` (Double).  Points without digits are Int32, the others Double.  Optionally
there are also `ns=2;s=signals.<signal>` (Double), and `ns=2;s=fast.<n>` and
`ns=2;s=slow.<n>` (UInt32), n from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.topology.device import WordOrder

MODBUS_PORT = 502
MODBUS_UNIT = 1
OPCUA_PORT = 4840
OPCUA_NAMESPACE = "urn:edge-lab:plant"
OPCUA_NAMESPACE_INDEX = 2

SIGNALS = "signals"
"""The folder of the signals in OPC UA."""

SEQUENCE = "sequence"
REQUESTED_SETPOINT = "requested_setpoint"
SEQUENCE_REGISTER = 0
SETPOINT_REGISTER = 100
COILS = DISCRETE_INPUTS = 16
FIRST_POINT_REGISTER = 2

Value = int | float


class Kind(StrEnum):
    """The representation of a raw value in registers."""

    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"

    @property
    def registers(self) -> int:
        return 1 if self is Kind.UINT16 else 2

    @property
    def bounds(self) -> tuple[int, int]:
        """Minimum and maximum raw value."""
        return {
            Kind.UINT16: (0, 2**16 - 1),
            Kind.INT32: (-(2**31), 2**31 - 1),
            Kind.UINT32: (0, 2**32 - 1),
        }[self]

    def to_registers(self, raw: int, order: WordOrder = WordOrder.BIG) -> list[int]:
        """The registers of `raw`."""
        if self is Kind.UINT16:
            return [raw]
        high, low = raw >> 16 & 0xFFFF, raw & 0xFFFF
        return [high, low] if order is WordOrder.BIG else [low, high]

    def from_registers(self, registers: Sequence[int], order: WordOrder = WordOrder.BIG) -> int:
        """The inverse of `to_registers`."""
        if self is Kind.UINT16:
            return registers[0]
        high, low = registers[:2] if order is WordOrder.BIG else reversed(registers[:2])
        raw = high << 16 | low
        return raw - 2**32 if self is Kind.INT32 and raw >= 2**31 else raw


@dataclass(frozen=True)
class Point:
    """One quantity of a plant. `digits` are its decimal places."""

    name: str
    unit: str
    kind: Kind = Kind.UINT16
    digits: int = 0

    def raw(self, value: float) -> int:
        """`value` in the point's unit as a raw number, clamped to the range of its kind."""
        low, high = self.kind.bounds
        return min(high, max(low, round(value * float(10**self.digits))))

    def value(self, raw: int) -> Value:
        """The value of `raw` in the point's unit."""
        return raw / float(10**self.digits) if self.digits else raw


@dataclass(frozen=True)
class Register:
    """The first holding register of a point."""

    point: Point
    address: int


SEQUENCE_POINT = Point(SEQUENCE, "", Kind.UINT32)


def registers_of(points: tuple[Point, ...]) -> tuple[Register, ...]:
    """The block that is read at once: the sequence number, then each point."""
    found = [Register(SEQUENCE_POINT, SEQUENCE_REGISTER)]
    address = FIRST_POINT_REGISTER
    for point in points:
        found.append(Register(point, address))
        address += point.kind.registers
    return tuple(found)


def block_of(
    points: tuple[Point, ...],
    sequence: int,
    raw: Mapping[str, int],
    order: WordOrder = WordOrder.BIG,
) -> list[int]:
    """The content of that block."""
    block: list[int] = []
    for register in registers_of(points):
        point = register.point
        number = sequence if point is SEQUENCE_POINT else raw[point.name]
        block += point.kind.to_registers(number, order)
    return block


def read_block(
    points: tuple[Point, ...], block: Sequence[int], order: WordOrder = WordOrder.BIG
) -> tuple[int, dict[str, int]]:
    """The sequence number and the raw values in a block."""
    raw = {
        register.point.name: register.point.kind.from_registers(
            block[register.address :][:2], order
        )
        for register in registers_of(points)
    }
    return raw.pop(SEQUENCE), raw


def coil(number: int) -> str:
    """The address of a coil in the ground truth."""
    return f"coil {number}"


def discrete_input(number: int) -> str:
    """The address of a discrete input in the ground truth."""
    return f"discrete input {number}"


def node_id(plant: str, name: str) -> str:
    """The NodeId of a point, as text."""
    return f"ns={OPCUA_NAMESPACE_INDEX};s={plant}.{name}"
