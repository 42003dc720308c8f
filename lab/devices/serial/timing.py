"""The duration of characters on a line, and of the silent interval between frames."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.topology import Parity, SerialOptions

_FAST = 19_200
_FIXED_SILENCE = 0.00175
"""Seconds; above 19,200 baud (Modbus over serial line V1.02, section 2.5.1.1)."""


@dataclass(frozen=True)
class LineTiming:
    """Times of one line, seconds."""

    character: float
    silence: float
    """3.5 characters: the minimum between two frames, and more than any pause within a frame."""

    @classmethod
    def of(cls, line: SerialOptions) -> LineTiming:
        bits = 1 + 8 + (line.parity is not Parity.NONE) + line.stop_bits
        character = bits / line.baud
        return cls(character, _FIXED_SILENCE if line.baud > _FAST else 3.5 * character)
