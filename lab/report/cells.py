"""Input of the differential table, written by suites: a JSON line for each verdict on a node, and
for each test's measures of a node."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.errors import InputError
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.verdict import Verdict

FILE = "cells.jsonl"
"""In a results folder."""

FORMAT: Final = 2
"""Format of a line. The first format had no number, and six figures instead of measures."""


class CellRecord(BaseModel):
    """The result of a scenario for one node with one runtime, in one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = FORMAT
    scenario: str
    """Title of the fault or scenario."""
    runtime: str
    """The stack, as control+runtime; in brackets the sandbox, if all pods of the node are in
    one."""
    node: str
    """Empty if it belongs to no node."""
    measures: tuple[Measure, ...] = ()
    passed: bool | None
    """Whether the verdict passed; None if there are only measures."""
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, scenario: str, verdict: Verdict) -> Self:
        """The verdict as a cell of the table."""
        return cls(
            scenario=scenario,
            runtime=verdict.runtime,
            node=verdict.node,
            measures=verdict.measures,
            passed=verdict.passed,
            problems=verdict.problems,
        )


def write_cell(folder: Path, cell: CellRecord) -> None:
    """Appends it to the results in `folder`, which is created; several processes may write."""
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
        InputError: a path does not exist or has no cells, or a line is not a cell.
    """
    found: list[CellRecord] = []
    for place in places:
        files = sorted(place.rglob(FILE)) if place.is_dir() else [place]
        cells = [cell for file in files for cell in _read(file)]
        if not cells:
            raise InputError(
                f"no verdicts in {place}",
                remedy=f"Run the suites with --alluredir=FOLDER; they write {FILE} there.",
            )
        found += cells
    return tuple(found)


def _read(file: Path) -> Sequence[CellRecord]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as trouble:
        raise InputError(f"cannot read the file: {trouble.strerror}", file=file) from trouble
    cells: list[CellRecord] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        _check_format(line, file, number)
        try:
            cells.append(CellRecord.model_validate_json(line))
        except ValidationError as trouble:
            first = trouble.errors()[0]
            place = ".".join(map(str, first["loc"]))
            why = f"{place}: {first['msg']}" if place else first["msg"]
            raise InputError(f"not a verdict: {why}", file=file, line=number) from trouble
    return cells


def _check_format(line: bytes, file: Path, number: int) -> None:
    """The format of a line, including the first one without a number."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return  # not a cell at all, for which there is a better message
    if not isinstance(said, dict) or said.get("format") == FORMAT:
        return
    if "format" in said or "figures" in said:
        found = f"format {said['format']!r}" if "format" in said else "the format before the second"
        raise InputError(
            f"written by another version of edge-lab: {found}, and this one reads {FORMAT}",
            file=file,
            line=number,
            remedy="Run the suites again, or use the version of edge-lab that wrote it.",
        )
