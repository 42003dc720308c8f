"""Journals of nodes as data: what agents did, and the requests of feeds with their answers.

An incomplete line, from a loss of power, is ignored; a complete line with unexpected content raises
LabError. Times are in seconds since 1970, by the node's clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from edge_lab.core.errors import LabError

T = TypeVar("T")


@dataclass(frozen=True)
class Act:
    """One line of an agent's journal."""

    time: float
    what: str
    """told, fetching, interrupted, fetched, staged, compared, promoted, refused, rolled-back,
    damaged; and offline, online, which have no version."""
    tag: str = ""
    digest: str = ""
    serving: str = ""
    """The tag of the version that serves, after it."""
    reason: str = ""
    message: str = ""
    errors: tuple[float, float] | None = None
    """Of a comparison: of the candidate, and of what served."""


@dataclass(frozen=True)
class FeedRequest:
    """One request of a feed."""

    seq: int
    """The number of the device's step, as in its ground truth."""
    time: float
    inputs: tuple[float, ...]
    ok: bool
    tag: str = ""
    digest: str = ""
    output: float | None = None
    ms: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Requests:
    sent: tuple[FeedRequest, ...] = ()
    began: tuple[float, ...] = ()
    """When the feed was started."""
    blind: tuple[float, ...] = ()
    """When it could not read its device."""


def parse_acts(text: str) -> tuple[Act, ...]:
    def act(line: dict[str, Any]) -> Act:
        errors = None
        if line["what"] == "compared":
            errors = float(line["candidate_error"]), float(line["serving_error"])
        return Act(
            time=float(line["time"]),
            what=str(line["what"]),
            tag=str(line.get("tag", "")),
            digest=str(line.get("digest", "")),
            serving=str(line.get("serving", "")) if isinstance(line.get("serving"), str) else "",
            reason=str(line.get("reason", "")),
            message=str(line.get("message", "")),
            errors=errors,
        )

    return tuple(_each(text, "an agent's journal", act))


def parse_requests(text: str) -> Requests:
    sent: list[FeedRequest] = []
    began: list[float] = []
    blind: list[float] = []

    def take(line: dict[str, Any]) -> None:
        if line["what"] == "began":
            began.append(float(line["time"]))
        elif line["what"] == "no device":
            blind.append(float(line["time"]))
        else:
            sent.append(_request(line))

    for _ in _each(text, "a feed's journal", take):
        pass
    return Requests(tuple(sent), tuple(began), tuple(blind))


def _request(line: dict[str, Any]) -> FeedRequest:
    ok = bool(line["ok"])
    return FeedRequest(
        seq=int(line["seq"]),
        time=float(line["time"]),
        inputs=tuple(map(float, line["inputs"])),
        ok=ok,
        tag=str(line["tag"]) if ok else "",
        digest=str(line["digest"]) if ok else "",
        output=float(line["output"]) if ok else None,
        ms=float(line["ms"]) if ok else None,
        message="" if ok else str(line.get("message", "")),
    )


def _each(text: str, what: str, take: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    for number, line in enumerate(text.replace("\0", "").split("\n"), start=1):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        try:
            yield take(found)
        except (KeyError, TypeError, ValueError, AttributeError) as trouble:
            raise LabError(f"line {number} of {what}: {trouble!r}") from trouble
