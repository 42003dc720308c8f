"""What a hostile pod prints, as data (images/go/hostile)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.errors import LabError

T = TypeVar("T", bound=BaseModel)


class _Model(BaseModel):
    # A newer program may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")


class SeenText(_Model):
    """The content of a file, or the error number's name by which it was not read."""

    text: str = ""
    errno: str = ""


class KernelLog(_Model):
    """The kernel's log, as syslog(2) gave it."""

    errno: str = ""
    lines: int = 0
    first: str = ""
    last: str = ""


class PodFacts(_Model):
    """What a pod sees of its kernel, or of what stands in for it."""

    tag: str
    """As the pod was told; its name."""
    release: str
    version: str
    """Of uname(2), as `release`."""
    machine: str
    kernel_log: KernelLog
    paths: Mapping[str, str]
    """By path, empty if it exists, or the error number's name."""
    texts: Mapping[str, SeenText]
    root_mount: str
    """The line of / in /proc/self/mountinfo."""
    cap_eff: str
    processes: int
    """Seen in /proc."""
    processes_errno: str = ""
    """By which /proc was not read; empty if it was."""
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
    """By name; one that was reached may have one too, of its arguments."""
    status: int = 0
    """Of HTTP."""
    detail: str = ""

    @property
    def refusal(self) -> str:
        """By what it was turned away: the error number's name, or HTTP's status."""
        return f"HTTP {self.status}" if self.status else self.errno or "no reason"

    @property
    def shown(self) -> str:
        """What was met, in a word or two."""
        if self.ended is not Ended.ANSWERED:
            return f"{self.ended} ({self.detail})" if self.detail else str(self.ended)
        if self.reached:
            return f"reached ({self.errno})" if self.errno else "reached"
        return self.refusal


class AttemptRun(_Model):
    """All attempts of one pod."""

    records: tuple[AttemptRecord, ...]
    complete: bool
    """Whether the pod has said that it is through."""


class BombProgress(_Model):
    """How far a bomb got."""

    bomb: str
    limit: int
    """Its own, at which it ends without having been stopped."""
    reached: int
    done: bool
    """Whether it has come to an end, and was not ended."""
    errno: str = ""
    """What stopped it, by name; empty if its own limit did."""
    detail: str = ""


def parse_bomb(text: str) -> BombProgress | None:
    """How far a pod's log says that its bomb has got; None if it says nothing."""
    lines = [line for line in _documents(text) if "bomb" in line]
    return _valid(BombProgress, lines[-1]) if lines else None


def parse_facts(text: str) -> PodFacts | None:
    """The last line of a pod's log that has facts; None if none has yet. A pod that was started
    anew has said it more than once.

    Raises:
        LabError: a line of JSON is neither facts nor anything else that the program prints.
    """
    for line in reversed(_documents(text)):
        if "kernel_log" in line:
            return _valid(PodFacts, line)
    return None


def parse_attempts(text: str) -> AttemptRun:
    """What a pod's log has of attempts so far; LabError if a line of JSON is no attempt."""
    found: list[AttemptRecord] = []
    complete = False
    for line in _documents(text):
        if "done" in line:
            complete = line["done"] == len(found)
        else:
            found.append(_valid(AttemptRecord, line))
    return AttemptRun(records=tuple(found), complete=complete)


def _documents(text: str) -> list[dict[str, Any]]:
    """The lines that are JSON objects; the program complains in plain words on the same log."""
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
        raise LabError(f"a hostile pod printed no {model.__name__}: {place}: {first['msg']}") from (
            trouble
        )
