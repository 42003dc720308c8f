"""What a device shows: its points, and where each is found in Modbus and in OPC UA.

A point's value is a whole number of its last decimal place (`raw`): 65.3 °C with one digit
is 653.  Modbus serves raw numbers, OPC UA serves what they stand for, so that both are
exact and can be compared for equality.

Register map (holding registers, unit 1, big-endian, high word first):

    0-1     sequence, uint32: grows by one with each step of the plant
    2-...   the points in their order, one register for a uint16, two for an int32
    100     requested setpoint, uint16, the only one that can be written

Registers 0 to the last point are one block without a gap: one read of it is one consistent
sample.  The block holds the setpoint in force at that step; a new one written to register
100 is in force from the next step.

OPC UA: namespace `urn:edge-lab:plant` (index 2), one folder object `ns=2;s=<plant>` below
Objects, in it `ns=2;s=<plant>.<point>`, `.sequence` (UInt32) and, writable,
`.requested_setpoint` (Double).  Points without digits are Int32, the others Double.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MODBUS_PORT = 502
MODBUS_UNIT = 1
OPCUA_PORT = 4840
OPCUA_NAMESPACE = "urn:edge-lab:plant"
OPCUA_NAMESPACE_INDEX = 2

SEQUENCE = "sequence"
REQUESTED_SETPOINT = "requested_setpoint"
SEQUENCE_REGISTER = 0
SETPOINT_REGISTER = 100
FIRST_POINT_REGISTER = 2

Value = int | float


class Kind(StrEnum):
    """How a raw value lies in registers."""

    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"

    @property
    def registers(self) -> int:
        return 1 if self is Kind.UINT16 else 2

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest raw value."""
        return {
            Kind.UINT16: (0, 2**16 - 1),
            Kind.INT32: (-(2**31), 2**31 - 1),
            Kind.UINT32: (0, 2**32 - 1),
        }[self]

    def to_registers(self, raw: int) -> list[int]:
        """The registers of `raw`, high word first."""
        if self is Kind.UINT16:
            return [raw]
        return [raw >> 16 & 0xFFFF, raw & 0xFFFF]

    def from_registers(self, registers: Sequence[int]) -> int:
        """What `to_registers` took apart."""
        if self is Kind.UINT16:
            return registers[0]
        raw = registers[0] << 16 | registers[1]
        return raw - 2**32 if self is Kind.INT32 and raw >= 2**31 else raw


@dataclass(frozen=True)
class Point:
    """One quantity of a plant. `digits` are its decimal places."""

    name: str
    unit: str
    kind: Kind = Kind.UINT16
    digits: int = 0

    def raw(self, value: float) -> int:
        """`value` in the point's unit as a raw number, held within what its kind can carry."""
        low, high = self.kind.bounds
        return min(high, max(low, round(value * float(10**self.digits))))

    def value(self, raw: int) -> Value:
        """What `raw` stands for, in the point's unit."""
        return raw / float(10**self.digits) if self.digits else raw


@dataclass(frozen=True)
class Register:
    """Where a point lies: its first holding register."""

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


def block_of(points: tuple[Point, ...], sequence: int, raw: Mapping[str, int]) -> list[int]:
    """The content of that block."""
    block: list[int] = []
    for register in registers_of(points):
        point = register.point
        block += point.kind.to_registers(sequence if point is SEQUENCE_POINT else raw[point.name])
    return block


def read_block(points: tuple[Point, ...], block: Sequence[int]) -> tuple[int, dict[str, int]]:
    """The sequence number and the raw values in a block."""
    raw = {
        register.point.name: register.point.kind.from_registers(block[register.address :][:2])
        for register in registers_of(points)
    }
    return raw.pop(SEQUENCE), raw


def node_id(plant: str, name: str) -> str:
    """The NodeId of a point, as text."""
    return f"ns={OPCUA_NAMESPACE_INDEX};s={plant}.{name}"
