"""The output of a hostile pod, as data (images/go/hostile)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.errors import LabError

T = TypeVar("T", bound=BaseModel)

NO_EFFECT = "no effect"
"""The refusal of an attempt that its pod reports as a success, and its node does not show."""


class _Model(BaseModel):
    # A newer program may print more fields.
    model_config = ConfigDict(frozen=True, extra="ignore")


class SeenText(_Model):
    """The content of a file, or the name of the error number if it could not be read."""

    text: str = ""
    errno: str = ""


class KernelLog(_Model):
    """The kernel's log, as returned by syslog(2)."""

    errno: str = ""
    lines: int = 0
    first: str = ""
    last: str = ""


class PodFacts(_Model):
    """A pod's view of its kernel, or of what replaces it."""

    tag: str
    """The pod's name, as passed to it."""
    release: str
    version: str
    """Of uname(2), as `release`."""
    machine: str
    kernel_log: KernelLog
    paths: Mapping[str, str]
    """By path: empty if it exists, otherwise the name of the error number."""
    texts: Mapping[str, SeenText]
    root_mount: str
    """The line of / in /proc/self/mountinfo."""
    cap_eff: str
    processes: int
    """Seen in /proc."""
    processes_errno: str = ""
    """The error number with which reading /proc failed; empty if it did not."""
    uid: int


class Ended(StrEnum):
    """How the process of an attempt ended."""

    ANSWERED = "answered"
    TIMED_OUT = "timed out"
    KILLED = "killed"
    """By a signal."""
    SILENT = "silent"


class AttemptRecord(_Model):
    """One attempt."""

    attempt: str
    ended: Ended
    reached: bool
    """Whether nothing stopped it."""
    errno: str = ""
    """By name; one that was reached may have one too, for its arguments."""
    status: int = 0
    """Of HTTP."""
    detail: str = ""
    without_effect: bool = False
    """Set on the host: the pod reported success, and its node shows no effect."""

    @property
    def refusal(self) -> str:
        """What refused it: the name of the error number, or the HTTP status."""
        if self.without_effect:
            return NO_EFFECT
        return f"HTTP {self.status}" if self.status else self.errno or "no reason"

    @property
    def shown(self) -> str:
        """The result in a word or two."""
        if self.ended is not Ended.ANSWERED:
            return f"{self.ended} ({self.detail})" if self.detail else str(self.ended)
        if self.reached:
            return f"reached ({self.errno})" if self.errno else "reached"
        return self.refusal


class AttemptRun(_Model):
    """All attempts of one pod."""

    records: tuple[AttemptRecord, ...]
    complete: bool
    """Whether the pod reported that it has finished."""


class BombProgress(_Model):
    """How far a bomb got."""

    bomb: str
    limit: int
    """The bomb's own limit, at which it ends without having been stopped."""
    reached: int
    done: bool
    """Whether it ended by itself."""
    errno: str = ""
    """What stopped it, by name; empty if its own limit did."""
    detail: str = ""


def parse_bomb(text: str) -> BombProgress | None:
    """The last progress of the bomb in a pod's log; None if there is none."""
    lines = [line for line in _documents(text) if "bomb" in line]
    return _valid(BombProgress, lines[-1]) if lines else None


def parse_facts(text: str) -> PodFacts | None:
    """The last line of a pod's log with facts; None if there is none yet. A restarted pod prints
    them more than once.

    Raises:
        LabError: a line of JSON is not a record of the program.
    """
    for line in reversed(_documents(text)):
        if "kernel_log" in line:
            return _valid(PodFacts, line)
    return None


def parse_attempts(text: str) -> AttemptRun:
    """The attempts in a pod's log so far; LabError if a line of JSON is not an attempt."""
    found: list[AttemptRecord] = []
    complete = False
    for line in _documents(text):
        if "done" in line:
            complete = line["done"] == len(found)
        else:
            found.append(_valid(AttemptRecord, line))
    return AttemptRun(records=tuple(found), complete=complete)


def _documents(text: str) -> list[dict[str, Any]]:
    """The lines that are JSON objects; the program logs errors as plain text in the same log."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        try:
            document = json.loads(line)
        except ValueError:
            continue  # the last line of a log that is being written
        if isinstance(document, dict):
            found.append(document)
    return found


def _valid(model: type[T], document: dict[str, Any]) -> T:
    try:
        return model.model_validate(document)
    except ValidationError as trouble:
        first = trouble.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise LabError(
            f"a hostile pod printed no valid {model.__name__}: {place}: {first['msg']}"
        ) from trouble
