"""What a shard leaves: a folder for each attempt, with a record when it has ended.

RESULTS/shard-003/attempt-1/shard.json, allure-results/, junit.xml, summary.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.errors import InputError
from edge_lab.matrix.plan import Plan, Shard
from edge_lab.report.runs import ExitCode

FORMAT: Final = 1
FILE = "shard.json"
ALLURE, JUNIT, SUMMARY = "allure-results", "junit.xml", "summary.md"
RETRIES = 1
"""How often a shard is run again after its lab broke."""

_ATTEMPT = re.compile(r"attempt-([1-9][0-9]*)")


class Record(BaseModel):
    """An attempt that has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    plan: str
    """The digest of the plan."""
    shards: int
    """The number of shards of the plan."""
    shard: Shard
    attempt: int
    code: int
    """The exit code of pytest; `LAB_BROKE` if pytest was killed or did not end in time."""
    started: float
    """Unix time, seconds."""
    seconds: float

    @property
    def is_final(self) -> bool:
        """Whether it says something about the product, so that the shard must not run again."""
        return self.code != ExitCode.LAB_BROKE


def shard_folder(results: Path, index: int) -> Path:
    return results / f"shard-{index:03d}"


def new_attempt(folder: Path) -> Path:
    """A new folder for the next attempt of a shard."""
    number = 1 + max(map(number_of, attempts(folder)), default=0)
    while True:
        attempt = folder / f"attempt-{number}"
        try:
            attempt.mkdir(parents=True)
        except FileExistsError:  # of another pod at the same moment
            number += 1
        else:
            return attempt


def attempts(folder: Path) -> list[Path]:
    """The folders of a shard's attempts, in order."""
    if not folder.is_dir():
        return []
    found = [each for each in folder.iterdir() if _ATTEMPT.fullmatch(each.name)]
    return sorted(found, key=number_of)


def number_of(attempt: Path) -> int:
    found = _ATTEMPT.fullmatch(attempt.name)
    return int(found[1]) if found else 0


def write_record(attempt: Path, record: Record) -> None:
    """Completely or not at all: a pod may lose its node meanwhile."""
    draft = attempt / f".{FILE}"
    draft.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(attempt / FILE)


def read_record(attempt: Path) -> Record | None:
    """None if the attempt has not ended; InputError if its record is damaged."""
    file = attempt / FILE
    try:
        return Record.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as trouble:
        raise InputError(f"cannot read it: {trouble.strerror}", file=file) from trouble
    except ValidationError as trouble:
        first = trouble.errors()[0]
        raise InputError(
            f"not the record of a shard: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            file=file,
            remedy="Remove the file; the attempt then counts as one that did not end.",
        ) from trouble


def records(folder: Path) -> Iterator[tuple[Path, Record]]:
    """The attempts of a shard that have ended, in order."""
    for attempt in attempts(folder):
        record = read_record(attempt)
        if record is not None:
            yield attempt, record


def settled(plan: Plan, results: Path, index: int) -> Record | None:
    """The record after which the shard must not run again, if there is one.

    Raises:
        InputError: the folder has results of another plan.
    """
    for attempt, record in records(shard_folder(results, index)):
        if record.plan != plan.digest:
            raise InputError(
                f"{attempt} has results of another plan",
                remedy="Give the results another folder, or remove this one.",
            )
        if record.is_final:
            return record
    return None
