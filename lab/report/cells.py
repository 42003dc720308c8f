"""What the suites leave for the differential table: one JSON line for each verdict on a node."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.errors import InputError
from edge_lab.oracles.figures import Figures

if TYPE_CHECKING:
    from edge_lab.oracles.autonomy import AutonomyVerdict

FILE = "cells.jsonl"
"""In a results folder."""


class CellRecord(BaseModel):
    """One verdict: what a scenario did to one node with one runtime, in one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    """Title of the fault or scenario."""
    runtime: str
    """The stack, as control+runtime."""
    node: str
    figures: Figures
    passed: bool
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, scenario: str, verdict: AutonomyVerdict) -> Self:
        """The verdict as a cell of the table."""
        return cls(
            scenario=scenario,
            runtime=verdict.runtime,
            node=verdict.node,
            figures=verdict.figures,
            passed=verdict.passed,
            problems=verdict.problems,
        )


def write_cell(folder: Path, cell: CellRecord) -> None:
    """Appends it to the results in `folder`, which is made; several processes may write."""
    folder.mkdir(parents=True, exist_ok=True)
    line = cell.model_dump_json().encode() + b"\n"
    file = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def read_cells(*places: Path) -> tuple[CellRecord, ...]:
    """All cells in files, and in folders with those below them, in the order of their paths.

    Raises:
        InputError: a place is not there or holds no cells, or a line is no cell.
    """
    found: list[CellRecord] = []
    for place in places:
        files = sorted(place.rglob(FILE)) if place.is_dir() else [place]
        cells = [cell for file in files for cell in _read(file)]
        if not cells:
            raise InputError(
                f"no verdicts in {place}",
                remedy=f"Suites write {FILE} into the folder given with --alluredir.",
            )
        found += cells
    return tuple(found)


def _read(file: Path) -> Sequence[CellRecord]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as trouble:
        raise InputError(f"cannot be read: {trouble.strerror}", file=file) from trouble
    cells: list[CellRecord] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            cells.append(CellRecord.model_validate_json(line))
        except ValidationError as trouble:
            first = trouble.errors()[0]
            place = ".".join(map(str, first["loc"]))
            why = f"{place}: {first['msg']}" if place else first["msg"]
            raise InputError(f"no verdict: {why}", file=file, line=number) from trouble
    return cells
