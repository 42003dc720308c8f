"""The journals and records of a node as data: crossings, handled events and activations.

An incomplete line, from a loss of power, is ignored; a complete line with unexpected content raises
LabError. Times are in ns since 1970 by the node's clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from edge_lab.core.errors import LabError

NANOSECONDS = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """One crossing of a limit, as recorded by the source."""

    id: str
    way: str
    device: str
    point: str
    seq: int
    """The number of the device's step, as in its ground truth."""
    value: int
    read: int
    """When the node had read the value."""
    stored: int | None = None
    """When the broker confirmed the event; None if it has not yet."""


@dataclass(frozen=True)
class Handled:
    """One event that a function has handled."""

    id: str
    way: str
    seq: int
    value: int
    delivered: int
    time: int
    """When it was handled; the record is on disk before the event is acknowledged."""
    attempt: int
    process: int
    began: int
    """When the function's process had started."""


@dataclass(frozen=True)
class Records:
    """The records of a node's functions."""

    handled: tuple[Handled, ...] = ()
    began: tuple[tuple[str, int], ...] = ()
    """Way and start time of each process."""
    repeated: tuple[str, ...] = ()
    """Ids of events that were delivered again and recognized."""


@dataclass(frozen=True)
class Activation:
    """The activator woke or stopped a function."""

    way: str
    time: int
    awake: bool
    why: str = ""


def parse_events(text: str) -> tuple[Event, ...]:
    """The events in the journal of a source or a storm, in the order of crossing."""
    found: dict[str, Event] = {}

    def take(line: dict[str, Any]) -> None:
        if line["what"] == "crossed":
            about = line["event"]
            found[about["id"]] = Event(
                id=str(about["id"]),
                way=str(about["way"]),
                device=str(about["device"]),
                point=str(about["point"]),
                seq=int(about["seq"]),
                value=int(about["value"]),
                read=int(about["read"]),
            )
        elif line["what"] == "stored" and found[line["id"]].stored is None:
            found[line["id"]] = replace(found[line["id"]], stored=int(line["time"]))

    _each(text, "a journal of events", take)
    return tuple(found.values())


def parse_first_reads(text: str, device: str) -> tuple[int, ...]:
    """When a source had read the device for the first time after each of its starts."""
    found: list[int] = []

    def take(line: dict[str, Any]) -> None:
        if line["what"] == "reads" and line["device"] == device:
            found.append(int(line["time"]))

    _each(text, "a source's journal", take)
    return tuple(found)


def parse_records(text: str) -> Records:
    """The records in the concatenated logs of functions."""
    began: dict[tuple[str, int], int] = {}
    processes: list[tuple[str, int]] = []
    handled: list[Handled] = []
    repeated: list[str] = []

    def take(line: dict[str, Any]) -> None:
        process = str(line["way"]), int(line["process"])
        if line["what"] == "began":
            began[process] = int(line["time"])
            processes.append((process[0], began[process]))
        elif line["what"] == "repeated":
            repeated.append(str(line["id"]))
        elif line["what"] == "handled":
            handled.append(
                Handled(
                    id=str(line["id"]),
                    way=process[0],
                    # Go omits fields that are 0.
                    seq=int(line.get("seq", 0)),
                    value=int(line.get("value", 0)),
                    delivered=int(line["delivered"]),
                    time=int(line["time"]),
                    attempt=int(line["attempt"]),
                    process=process[1],
                    began=began.get(process, 0),
                )
            )

    _each(text, "a function's records", take)
    return Records(tuple(handled), tuple(processes), tuple(repeated))


def parse_activations(text: str) -> tuple[Activation, ...]:
    found: list[Activation] = []

    def take(line: dict[str, Any]) -> None:
        awake = {"woke": True, "slept": False}[line["what"]]
        why = str(line.get("why", ""))
        found.append(Activation(str(line["way"]), int(line["time"]), awake, why))

    _each(text, "the activator's journal", take)
    return tuple(found)


def _each(text: str, what: str, take: Callable[[dict[str, Any]], None]) -> None:
    for number, line in _lines(text):
        try:
            take(line)
        except (KeyError, TypeError, ValueError, AttributeError) as trouble:
            raise LabError(f"line {number} of {what}: {trouble!r}") from trouble


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.replace("\0", "").split("\n"), start=1):
        try:
            yield number, json.loads(line)
        except ValueError:
            continue
