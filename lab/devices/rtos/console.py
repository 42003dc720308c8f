"""The log that the firmware writes on its serial port (images/firmware/rtos/src/main.c).

A line ends with a dot, so that one that a reset has cut off is recognized; its values had not been
served yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from edge_lab.devices.points import coil

LONGEST = 400
"""Maximum bytes of a line; longer ones are ignored."""

STATE_SCALE = 1000
"""The firmware's state is in thousandths: m°C, mbar, m%, mWh; the heater is 0 or 1."""

_NUMBERS = re.compile(r"-?[0-9]{1,10}")
_VALUES = ("temperature", "pressure", "flow", "valve", "heater", "setpoint", "energy")
_STATE = ("temperature", "pressure", "valve", "heater", "energy")


class Cause(IntEnum):
    """Why the firmware has started."""

    POWER = 0
    RESET = 1
    WATCHDOG = 2


@dataclass(frozen=True)
class Boot:
    number: int
    """Number of this start."""
    cause: Cause


@dataclass(frozen=True)
class Listening:
    """Connections are accepted from now on."""


@dataclass(frozen=True)
class Step:
    """A step, before it is served: its registers, and the plant's state."""

    seq: int
    requested: int
    values: Mapping[str, int]
    state: Mapping[str, float]


@dataclass(frozen=True)
class Write:
    """A client's write, before it takes effect."""

    address: str
    value: int


@dataclass(frozen=True)
class Clients:
    """Open connections of clients, and refused connections since the start."""

    open: int
    refused: int


@dataclass(frozen=True)
class Pausing:
    """Whether the plant is paused from now on."""

    on: bool


@dataclass(frozen=True)
class Hanging:
    """The server's task hangs."""


@dataclass(frozen=True)
class Failed:
    """The firmware has detected an internal error, and resets."""

    place: str


Said = Boot | Listening | Step | Write | Clients | Pausing | Hanging | Failed


def parse_line(text: str) -> Said | None:
    """Parses a line; None if it is not one of the firmware, or was cut off."""
    *words, last = text.split(" ")
    if last != "." or not words:
        return None
    kind, *rest = words
    if kind == "F" and len(rest) == 1:
        return Failed(rest[0])
    if kind == "W" and len(rest) == 2 and rest[0].startswith("c") and _are_numbers(rest[0][1:]):
        rest, address = rest[1:], coil(int(rest[0][1:]))
        return Write(address, int(rest[0])) if _are_numbers(*rest) else None
    if not _are_numbers(*rest):
        return None
    numbers = [int(word) for word in rest]
    match kind, numbers:
        case "R", []:
            return Listening()
        case "H", []:
            return Hanging()
        case "B", [number, (0 | 1 | 2) as cause]:
            return Boot(number, Cause(cause))
        case "P", [(0 | 1) as on]:
            return Pausing(bool(on))
        case "C", [connections, refused]:
            return Clients(connections, refused)
        case "W", [register, value]:
            return Write(str(register), value)
        case "T", [seq, requested, *more] if len(more) == len(_VALUES) + len(_STATE):
            values = dict(zip(_VALUES, more, strict=False))
            state = dict(zip(_STATE, more[len(_VALUES) :], strict=True))
            return Step(seq, requested, values, _in_units(state))
    return None


def _are_numbers(*words: str) -> bool:
    return all(_NUMBERS.fullmatch(word) for word in words)


def _in_units(state: Mapping[str, int]) -> dict[str, float]:
    return {
        name: number if name == "heater" else number / STATE_SCALE for name, number in state.items()
    }


def state_numbers(state: Mapping[str, float]) -> list[int]:
    """The firmware's numbers of a state, in their order; KeyError if it is of another plant."""
    return [round(state[name] * (1 if name == "heater" else STATE_SCALE)) for name in _STATE]


class Lines:
    """Assembles lines from parts."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The complete lines; bytes that are not ASCII are replaced."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            self._rest = self._rest[: LONGEST + 1]  # too long to be a line, however it ends
        for line in whole:
            if line and len(line) <= LONGEST:
                yield line.decode("ascii", errors="replace").rstrip("\r")

    def clear(self) -> None:
        """The writer is gone: discards the incomplete line."""
        self._rest = b""
