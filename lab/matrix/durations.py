"""How long test files take: measured in earlier runs, known to the author, or assumed."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from statistics import mean
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_lab.core.errors import InputError

FORMAT: Final = 1


class Source(StrEnum):
    """Where a duration comes from, the best first."""

    MEASURED = "measured"
    ELSEWHERE = "measured elsewhere"
    """The mean of what was measured with other stacks or topologies."""
    KNOWN = "known"
    """From the matrix file."""
    ASSUMED = "assumed"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(_Model):
    """How long a test file took, without the start of the lab."""

    suite: str
    stack: str
    lab: str
    """The name of the topology."""
    seconds: float = Field(ge=0, allow_inf_nan=False)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.suite, self.stack, self.lab


class Durations(_Model):
    """The content of a file of durations; at most one for each file, stack and topology."""

    format: Literal[1] = FORMAT
    measured: tuple[Measured, ...] = ()

    def of(
        self, suite: str, stack: str, lab: str, *, known: float | None, assumed: float
    ) -> tuple[float, Source]:
        """Seconds, and where they come from."""
        of_suite = [each for each in self.measured if each.suite == suite]
        for each in of_suite:
            if each.key == (suite, stack, lab):
                return each.seconds, Source.MEASURED
        if of_suite:
            return mean(each.seconds for each in of_suite), Source.ELSEWHERE
        return (assumed, Source.ASSUMED) if known is None else (known, Source.KNOWN)

    def updated(self, newer: Iterable[Measured]) -> Durations:
        """With newer measurements in the place of older ones, sorted."""
        by_key = {each.key: each for each in (*self.measured, *newer)}
        return Durations(measured=tuple(by_key[key] for key in sorted(by_key)))


def read_durations(file: Path) -> Durations:
    """The durations in `file`; none if it does not exist yet.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    try:
        return Durations.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Durations()
    except OSError as trouble:
        raise InputError(f"cannot read the durations: {trouble.strerror}", file=file) from trouble
    except (ValidationError, UnicodeDecodeError) as trouble:
        first = trouble.errors()[0] if isinstance(trouble, ValidationError) else None
        where = ".".join(map(str, first["loc"])) if first else ""
        what = f"{where}: {first['msg']}" if first and where else str(first and first["msg"])
        raise InputError(
            f"not a file of durations: {what if first else 'not UTF-8 text'}",
            file=file,
            remedy="Remove it; `lab matrix merge --durations FILE` writes a new one.",
        ) from trouble
