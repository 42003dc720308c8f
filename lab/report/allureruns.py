"""Test runs read from their Allure results, one folder each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lab.core.errors import InputError
from edge_lab.report.runs import BROKEN_LAB_MESSAGE, LACKING_MESSAGE, Outcome

ENVIRONMENT = "environment.properties"
REVISION, STACK = "revision", "stack"
"""Names in that file."""
_LATEST = 1e11
"""Unix time beyond the range of calendars."""
_RESULTS = "*-result.json"
_LAB = re.compile(BROKEN_LAB_MESSAGE)
_LACKING = re.compile(LACKING_MESSAGE)
_PAIR = re.compile(r"((?:\\.|[^\\=:])*?)\s*[=:]\s*(.*)")


@dataclass(frozen=True)
class Result:
    """One test of a run."""

    identity: str
    """Identifies the same test with the same parameters."""
    name: str
    outcome: Outcome
    reason: str
    """The first line of its message."""
    started: float
    """Unix time, seconds."""


@dataclass(frozen=True)
class AllureRun:
    """One run."""

    folder: Path
    revision: str
    """Revision of the product; empty if the results do not contain it."""
    stack: str
    results: tuple[Result, ...]

    @property
    def started(self) -> float:
        return min(result.started for result in self.results)


def read_runs(*places: Path) -> tuple[AllureRun, ...]:
    """All runs in these folders and in those below them, the oldest first.

    Raises:
        InputError: a place holds no results, or one cannot be read.
    """
    runs = []
    for place in places:
        folders = sorted({file.parent for file in place.rglob(_RESULTS)})
        if not folders:
            raise InputError(
                f"no Allure results in {place}",
                remedy="Run the suites with --alluredir=FOLDER, each run with a folder of its own.",
            )
        runs += [_read_run(folder) for folder in folders]
    return tuple(sorted(dict.fromkeys(runs), key=lambda run: (run.started, str(run.folder))))


def _read_run(folder: Path) -> AllureRun:
    facts = _environment(folder / ENVIRONMENT)
    return AllureRun(
        folder=folder,
        revision=facts.get(REVISION, ""),
        stack=facts.get(STACK, ""),
        results=tuple(_read_result(file) for file in sorted(folder.glob(_RESULTS))),
    )


def _environment(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (_PAIR.fullmatch(line.strip()) for line in text.splitlines())
    return {_unescaped(pair[1]): _unescaped(pair[2]) for pair in pairs if pair}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _read_result(file: Path) -> Result:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return _result(data)
    except OSError as trouble:
        raise InputError(f"cannot read it: {trouble.strerror}", file=file) from trouble
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as trouble:
        raise InputError(
            f"not an Allure result: {trouble}", file=file, remedy="Remove the file."
        ) from trouble


def _result(data: dict[str, Any]) -> Result:
    details = data.get("statusDetails") or {}
    message = str(details.get("message") or "")
    name = str(data.get("fullName") or data["name"])
    parameters = [
        f"{parameter['name']}={parameter['value']}"
        for parameter in data.get("parameters") or ()
        if not parameter.get("excluded")
    ]
    return Result(
        identity=str(data.get("historyId") or " ".join([name, *parameters])),
        name=f"{name}[{', '.join(parameters)}]" if parameters else name,
        outcome=_outcome(str(data.get("status")), message),
        reason=next((line for line in message.splitlines() if line.strip()), ""),
        started=_seconds(float(data.get("start") or 0) / 1000),
    )


def _seconds(started: float) -> float:
    if not 0 <= started < _LATEST:
        raise ValueError(f"start: {started:g} is not a time")
    return started


def _outcome(status: str, message: str) -> Outcome:
    match status:
        case "passed":
            return Outcome.PASSED
        case "failed":
            return Outcome.FAILED
        case "broken":
            return Outcome.BROKEN_LAB if _LAB.fullmatch(message) else Outcome.BROKEN_TEST
        case "skipped" if message.startswith("XFAIL"):
            return Outcome.KNOWN
        case "skipped" if _LACKING.fullmatch(message):
            return Outcome.LACKING
        case "skipped":
            return Outcome.SKIPPED
    raise ValueError(f"unknown status {status!r}")
