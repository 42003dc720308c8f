"""The kinds of errors.

A failed assertion is a failure of the product under test.  A `LabError` means that the lab
itself is broken: it is reported as an error, never as a skip or a pass.  An `InputError` is to
be fixed by the user: it names the file, the line and the remedy.  A `MissingCapability` is
something that this stack or machine cannot do: a skip with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class EdgeLabError(Exception):
    """Base of all errors that edge-lab raises on purpose."""

    exit_code = 3

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class LabError(EdgeLabError):
    """The lab is broken: a machine, a link, a tool or the host. Exit code 3."""


class DeadlineExceeded(LabError):
    """Something did not happen in time; `__cause__` is the last error."""


class InputError(EdgeLabError):
    """The user's input is invalid. Exit code 2."""

    exit_code = 2

    def __init__(
        self, message: str, *, file: Path | str = "", line: int = 0, remedy: str = ""
    ) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message, remedy=remedy)
        self.file = str(file)
        self.line = line


class MissingCapability(EdgeLabError):
    """This stack, architecture or host cannot do that; tests are skipped with the reason."""


class NotPossible(InputError, MissingCapability):
    """The target cannot do that: exit code 2 of a command, a skip of a test."""


def named(kind: str, name: str, among: Mapping[str, T]) -> T:
    """The item of that name; InputError with the available names otherwise."""
    try:
        return among[name]
    except KeyError:
        known = ", ".join(among) or "none"
        raise InputError(f"there is no {kind} {name!r}", remedy=f"Available: {known}.") from None
