"""What can be wrong with a serial line, as data, and what that does to characters."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Chance = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Way = Literal["rx", "tx"]
"""Named from the device: `rx` is what it receives."""

NUL = 0
"""What a receiver hands on in the place of a character with wrong parity, or of a break
(termios(3): INPCK without PARMRK, and no BRKINT)."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineState(_Model):
    """The state of one direction; the chances are for each character."""

    noise: Chance = 0.0
    """One bit of it arrives wrong."""
    loss: Chance = 0.0
    """It does not arrive."""
    wrong_parity: Chance = 0.0
    """Its parity bit is wrong."""
    is_broken: bool = False
    """The line is held at 0, which is a break: no character passes."""
    seed: int = Field(0, ge=0)


CLEAR = LineState()


class LineStates(_Model):
    rx: LineState = CLEAR
    tx: LineState = CLEAR


class WayCounters(_Model):
    """Characters of one direction since the device began."""

    characters: int = 0
    affected: int = 0
    """By a fault: altered, lost, with wrong parity, or within a break."""


class SerialStatus(_Model):
    """A serial line as it is now."""

    port: str
    """The device file by which it is reached."""
    rx: WayCounters
    tx: WayCounters
    states: LineStates
    frames: int
    """Whole requests that were received, whatever their unit."""
    discarded: int
    """Sequences of characters between two silences that were no frame."""


class SerialAnswer(_Model):
    """What came of a read over the line, as a client would do it."""

    answered: bool
    detail: str
    status: SerialStatus


class Disturbance:
    """One direction of a line: what becomes of its characters."""

    def __init__(self) -> None:
        self.state = CLEAR
        self.characters = 0
        self.affected = 0
        self._random = Random(0)

    @property
    def counters(self) -> WayCounters:
        return WayCounters(characters=self.characters, affected=self.affected)

    def set(self, state: LineState) -> None:
        self.state = state
        self._random = Random(state.seed)

    def apply(self, data: bytes) -> tuple[bytes, bool]:
        """The characters that arrive, and whether one of them has wrong parity."""
        self.characters += len(data)
        state = self.state
        if state.is_broken:
            self.affected += len(data)
            return b"", False
        if not (state.noise or state.loss or state.wrong_parity):
            return data, False
        arrived = bytearray()
        spoiled = False
        for character in data:
            number = self._character(character)
            if number is None or number != character or number < 0:
                self.affected += 1
            if number is None:
                continue
            spoiled = spoiled or number < 0
            arrived.append(NUL if number < 0 else number)
        return bytes(arrived), spoiled

    def _character(self, character: int) -> int | None:
        """It as it arrives; None if it does not, -1 with wrong parity."""
        state, chance = self.state, self._random.random
        if chance() < state.loss:
            return None
        if chance() < state.wrong_parity:
            return -1
        if chance() < state.noise:
            return character ^ 1 << self._random.randrange(8)
        return character
