"""The logs of a node as data: what crossed a limit, what functions did, and what woke them.

A line that a loss of power tore is passed over; one that is whole and is none of its own is a
LabError. Times are ns since 1970 by the node's clock.
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
    """One crossing of a limit, as the source has seen it."""

    id: str
    way: str
    device: str
    point: str
    seq: int
    """The device's step, which is in its ground truth."""
    value: int
    read: int
    """When the node had read it."""
    stored: int | None = None
    """When the broker had said that it has it; None if it has not yet."""


@dataclass(frozen=True)
class Handled:
    """One event that a function has done something for."""

    id: str
    way: str
    seq: int
    value: int
    delivered: int
    time: int
    """When it was done; the record of it is on the disk before it is acknowledged."""
    attempt: int
    process: int
    began: int
    """When the first line of the function's process ran."""


@dataclass(frozen=True)
class Records:
    """What functions of a node have written."""

    handled: tuple[Handled, ...] = ()
    began: tuple[tuple[str, int], ...] = ()
    """The way and the time of each process."""
    repeated: tuple[str, ...] = ()
    """Ids of events that came again and were known."""


@dataclass(frozen=True)
class Activation:
    """The activator woke a function, or put it to sleep."""

    way: str
    time: int
    awake: bool
    why: str = ""


def parse_events(text: str) -> tuple[Event, ...]:
    """Of a source's journal, or a storm's, in the order in which they crossed."""
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


def parse_records(text: str) -> Records:
    """Of functions, their logs one after the other."""
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
                    # What is 0 is left out.
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
