"""Limits by the number of looks: what comes is seen, however long a busy host takes for a look."""

from __future__ import annotations

import time

from edge_lab.core.deadline import Deadline

_NEVER = 3600.0


class Looks(Deadline):
    """Is over after so many looks at something that does not come; by itself it never is.

    In tests with made-up nodes, which need two or three looks at most.
    """

    __slots__ = ("_left",)

    def __init__(self, number: int = 30) -> None:
        super().__init__(time.monotonic() + _NEVER, _NEVER)
        self._left = number

    @property
    def expired(self) -> bool:
        self._left -= 1
        return self._left < 0


def looks(_: float) -> Deadline:
    """In the place of a limit in seconds."""
    return Looks()
