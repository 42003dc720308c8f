"""The three kinds of trouble, kept apart.

A failed assertion is the fault of the product under test.  A `LabError` is ours: the
lab itself is broken, and it shows as an error, never as a skip or a pass.  An
`InputError` is the reader's to mend: it names the file, the line and the remedy.  A
`MissingCapability` is something that this stack or machine cannot do: a skip with its
reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class EdgeLabError(Exception):
    """Base of everything that edge-lab raises on purpose."""

    exit_code = 3

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class LabError(EdgeLabError):
    """The lab is broken: a machine, a wire, a tool or the host. Exit code 3."""


class DeadlineExceeded(LabError):
    """Something did not happen in time; `__cause__` is the last thing that went wrong."""


class InputError(EdgeLabError):
    """What the user wrote or asked for cannot be right. Exit code 2."""

    exit_code = 2

    def __init__(
        self, message: str, *, file: Path | str = "", line: int = 0, remedy: str = ""
    ) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message, remedy=remedy)
        self.file = str(file)
        self.line = line


class MissingCapability(EdgeLabError):
    """This stack, architecture or host cannot do that; a test skips with the reason."""


class NotPossible(InputError, MissingCapability):
    """Asked of something that cannot do it: exit code 2 for a command, a skip for a test."""


def named(kind: str, name: str, among: Mapping[str, T]) -> T:
    """The one of that name; InputError lists the names that there are."""
    try:
        return among[name]
    except KeyError:
        known = ", ".join(among) or "none"
        raise InputError(f"there is no {kind} {name!r}", remedy=f"Available: {known}.") from None
