"""Seeded random numbers: one stream for each link, direction and purpose.

A stream is a keyed hash of a counter.  The counter is its whole state, so a checkpoint
stores one number, and seeking takes constant time.
"""

from __future__ import annotations

import hashlib
import struct

_PER_BLOCK = 8
_BLOCK = struct.Struct("<8Q")
_TO_UNIT = 2.0**-53


class RandomStream:
    """Uniform random numbers in [0, 1), determined by `seed` and `labels` alone."""

    __slots__ = ("_block", "_key", "_numbers", "_position")

    def __init__(self, seed: int, *labels: str) -> None:
        # The lengths distinguish ("a", "bc") from ("ab", "c").
        text = "\0".join([str(seed), *(f"{len(label)}:{label}" for label in labels)])
        self._key = hashlib.blake2b(text.encode(), digest_size=32).digest()
        self._block = -1
        self._numbers: tuple[int, ...] = ()
        self._position = 0

    @property
    def position(self) -> int:
        """How many numbers have been drawn."""
        return self._position

    def seek(self, position: int) -> None:
        """Sets the position: the next number is the one after `position` draws from the start."""
        self._position = position

    def random(self) -> float:
        """The next number, with 53 random bits."""
        block, index = divmod(self._position, _PER_BLOCK)
        if block != self._block:
            digest = hashlib.blake2b(block.to_bytes(16, "little"), key=self._key).digest()
            self._numbers = _BLOCK.unpack(digest)
            self._block = block
        self._position += 1
        return (self._numbers[index] >> 11) * _TO_UNIT
