"""Faults of serial lines as data, and their effects on characters."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Chance = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Way = Literal["rx", "tx"]
"""Directions as seen by the device: `rx` is what it receives."""

NUL = 0
"""What a receiver returns for a character with wrong parity, or for a break (termios(3): INPCK
without PARMRK, and no BRKINT)."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineState(_Model):
    """The state of one direction; probabilities are per character."""

    noise: Chance = 0.0
    """Probability of a wrong bit."""
    loss: Chance = 0.0
    """Probability of a loss."""
    wrong_parity: Chance = 0.0
    """Probability of a wrong parity bit."""
    is_broken: bool = False
    """The line is held at 0, which is a break: no character passes."""
    seed: int = Field(0, ge=0)


CLEAR = LineState()


class LineStates(_Model):
    rx: LineState = CLEAR
    tx: LineState = CLEAR


class WayCounters(_Model):
    """Characters of one direction since the device started."""

    characters: int = 0
    affected: int = 0
    """Characters that a fault has altered, lost, given a wrong parity, or dropped in a break."""


class SerialStatus(_Model):
    """The status of a serial line."""

    port: str
    """The device file of its port."""
    rx: WayCounters
    tx: WayCounters
    states: LineStates
    frames: int
    """Complete requests that were received, for any unit."""
    discarded: int
    """Sequences of characters between two silent intervals that were not frames."""


class SerialAnswer(_Model):
    """The result of a read over the line, as by a client."""

    answered: bool
    detail: str
    status: SerialStatus


class Disturbance:
    """One direction of a line: applies its state to characters."""

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
        """The character as it arrives; None if lost, -1 with wrong parity."""
        state, chance = self.state, self._random.random
        if chance() < state.loss:
            return None
        if chance() < state.wrong_parity:
            return -1
        if chance() < state.noise:
            return character ^ 1 << self._random.randrange(8)
        return character
