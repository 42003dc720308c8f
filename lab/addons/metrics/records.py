"""What edge nodes have served and what a view contains, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_lab.core.errors import LabError

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Served:
    """One scrape by one sender, from the exporter's log."""

    number: int
    time: int
    """ns since 1970, the node's clock."""
    devices: Mapping[str, int] = field(default_factory=dict)
    """By device, the sequence number served."""
    doubtful: bool = False
    """Whether the sender may have timed out before the response."""


@dataclass(frozen=True)
class Stored:
    """One sample in a view, with the others of the same time."""

    number: int
    time: int
    """Its timestamp, ns since 1970."""
    devices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Origin:
    """One sender on one node."""

    node: str
    sender: str

    def __str__(self) -> str:
        return f"{self.sender} on {self.node}"


@dataclass(frozen=True)
class Answer:
    """Raw samples of a view, by the labels of their series."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]
    """Timestamps, seconds since 1970, and values."""

    @property
    def origin(self) -> Origin:
        """Their sender and node; empty names if the labels are missing."""
        return Origin(self.labels.get("node", ""), self.labels.get("sender", ""))


def parse_served(text: str) -> dict[str, tuple[Served, ...]]:
    """The log of an exporter by sender, in the order in which it was written.

    Raises:
        LabError: a line is invalid.
    """
    found: dict[str, dict[int, Served]] = {}
    doubtful: set[tuple[str, int]] = set()
    for line_number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        try:
            record = json.loads(line)
            sender = record["sender"]
            if "doubtful" in record:
                doubtful.add((sender, int(record["doubtful"])))
                continue
            served = Served(int(record["number"]), int(record["time"]), dict(record["devices"]))
        except (ValueError, KeyError, TypeError) as trouble:
            raise LabError(f"line {line_number} of an exporter's log: {trouble!r}") from trouble
        found.setdefault(sender, {})[served.number] = served
    return {
        sender: tuple(
            Served(scrape.number, scrape.time, scrape.devices, (sender, scrape.number) in doubtful)
            for scrape in by_number.values()
        )
        for sender, by_number in found.items()
    }


def parse_answer(text: str, *, whole: bool = False) -> tuple[Answer, ...]:
    """Parses the response of Prometheus' HTTP API to a query.

    Raises:
        LabError: it is an error, or not a response; or, with `whole`, it has warnings: Thanos'
            querier returns what it has, and a warning for each store that did not answer.
    """
    try:
        document: dict[str, Any] = json.loads(text)
        if document["status"] != "success":
            raise LabError(f"the query was refused: {document.get('error', text)}")
        if whole and document.get("warnings"):
            raise LabError(f"the response is partial: {'; '.join(document['warnings'])}")
        kind = document["data"]["resultType"]
        return tuple(_answer(series, kind) for series in document["data"]["result"])
    except (ValueError, KeyError, TypeError) as trouble:
        raise LabError(f"no answer to a query: {text[:200]!r}") from trouble


def _answer(result: Mapping[str, Any], kind: str) -> Answer:
    values = [result["value"]] if kind == "vector" else result["values"]
    samples = tuple((float(time), float(value)) for time, value in values)
    return Answer(dict(result["metric"]), samples)


def stored_samples(
    counts: Sequence[Answer], devices: Sequence[Answer] = ()
) -> dict[Origin, tuple[Stored, ...]]:
    """The samples of each sender: its count, and the device values with the same timestamp."""
    shown: dict[tuple[Origin, float], dict[str, int]] = {}
    for answer in devices:
        for time, value in answer.samples:
            of_stamp = shown.setdefault((answer.origin, time), {})
            of_stamp[answer.labels.get("device", "")] = int(value)
    found: dict[Origin, list[Stored]] = {}
    for answer in counts:
        found.setdefault(answer.origin, []).extend(
            Stored(int(value), round(time * NANOSECONDS), shown.get((answer.origin, time), {}))
            for time, value in answer.samples
        )
    return {
        origin: tuple(sorted(samples, key=lambda sample: (sample.time, sample.number)))
        for origin, samples in found.items()
    }


def failed_scrapes(reports: Sequence[Answer]) -> dict[Origin, tuple[int, ...]]:
    """By sender, the timestamps of the scrapes that it reports as failed (its `up` is 0), ns since
    1970."""
    found: dict[Origin, list[int]] = {}
    for report in reports:
        found.setdefault(report.origin, []).extend(
            round(time * NANOSECONDS) for time, value in report.samples if not value
        )
    return {origin: tuple(sorted(times)) for origin, times in found.items()}


def selector(name: str, node: str, sender: str) -> str:
    """The selector of the series of one sender on one node."""
    return f'{name}{{node="{node}",sender="{sender}"}}'


def raw_samples(series: str, seconds: float) -> str:
    """The query for all raw samples of the last `seconds`."""
    return f"{series}[{int(seconds) + 1}s]"
