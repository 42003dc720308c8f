"""The ground truth of a device: the values that it served, logged before clients can read them.

`truth.jsonl` in the device's folder, one JSON object per line, append-only:

    {"kind": "map", ...}    first line: the device, its plant, the address of each point
    {"kind": "step", "seq": 7, "time": 1700000000000000000, "values": {...}, "state": {...},
     "requested": 700}
    {"kind": "signals", "seq": 7, "time": ..., "values": {...}, "clean": {...}}
    {"kind": "alarm", "seq": 7, "time": ..., "point": "force", "state": "high", "value": 251.5}
    {"kind": "tick", "group": "fast", "seq": 70, "time": ...}
    {"kind": "write", "seq": 7, "time": ..., "address": "100", "value": 650}

`time` is ns since 1970, whole microseconds, because OPC UA's timestamps carry no more.
An address is a register number or a `coil`'s, or a NodeId.

`values` are as served: raw for Modbus, in the point's unit for OPC UA.  `state` is the
plant's and `requested` the requested raw setpoint, so that the last line of kind `step` is
sufficient to continue after a kill.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.devices.points import Value

FILE = "truth.jsonl"


@dataclass(frozen=True)
class TruthStep:
    """One step of the plant, as served."""

    seq: int
    time: int
    """ns since 1970."""
    values: Mapping[str, Value]
    state: Mapping[str, float]
    requested: int
    """Raw setpoint that is active from the next step on."""


@dataclass(frozen=True)
class TruthWrite:
    """A client has written a value; `seq` was the current step."""

    seq: int
    time: int
    address: str
    value: Value


@dataclass(frozen=True)
class TruthSignals:
    """The values of the signals at a step, with and without anomalies."""

    seq: int
    time: int
    values: Mapping[str, float]
    clean: Mapping[str, float]


@dataclass(frozen=True)
class TruthAlarm:
    """A point has passed a limit, either way; `state` is the new one."""

    seq: int
    time: int
    point: str
    state: str
    """`high`, `low` or `normal`."""
    value: Value


@dataclass(frozen=True)
class TruthTick:
    """All nodes of a group, `fast` or `slow`, show `seq` from then on."""

    group: str
    seq: int
    time: int


TruthRecord = TruthStep | TruthWrite | TruthSignals | TruthAlarm | TruthTick

_KINDS: Mapping[str, type[TruthRecord]] = {
    "step": TruthStep,
    "write": TruthWrite,
    "signals": TruthSignals,
    "alarm": TruthAlarm,
    "tick": TruthTick,
}
_NAMES = {form: kind for kind, form in _KINDS.items()}


def now() -> int:
    """ns since 1970, whole microseconds."""
    return time.time_ns() // 1000 * 1000


class TruthLog:
    """The writer. One line is one write(2): a kill leaves complete lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        _drop_torn_line(self.path)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._file).st_size

    def describe(self, header: Mapping[str, Any]) -> None:
        """Writes the first line, if the log is new."""
        if not self.size:
            self._append({"kind": "map", **header})

    def add(self, record: TruthRecord) -> None:
        named = {field.name: getattr(record, field.name) for field in fields(record)}
        self._append({"kind": _NAMES[type(record)], **named})

    def _append(self, line: Mapping[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def parse_truth(text: str) -> TruthRecord | None:
    """One line of the log; None for the map.

    Raises:
        ValueError: it is not a line of a truth log.
    """
    line = json.loads(text)
    try:
        kind = line.pop("kind")
        return None if kind == "map" else _KINDS[kind](**line)
    except (KeyError, TypeError, AttributeError) as trouble:
        raise ValueError(f"not a line of a truth log: {text[:80]!r}") from trouble


def read_truth(folder: Path) -> Iterator[TruthRecord]:
    """All records in the order in which they were written; a line being written is left out.

    Raises:
        LabError: there is no log, or a line of it is damaged.
    """
    path = folder / FILE
    try:
        # Lines end only with \n: the log is UTF-8 JSON and may contain other line breaks.
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    record = parse_truth(line.decode())
                except ValueError as trouble:
                    raise LabError(f"{path}:{number}: {trouble}") from trouble
                if record is not None:
                    yield record
    except OSError as trouble:
        raise LabError(f"cannot read the ground truth {path}: {trouble.strerror}") from trouble


LONGEST_LOOK = 256 * 1024
"""Bytes at the end of a log in which its newest step is searched for."""


def newest_step(folder: Path) -> TruthStep | None:
    """The newest step, from the end of the log; None if there is none in its last bytes.

    Raises:
        LabError: there is no log, or its end is damaged.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LONGEST_LOOK))
            lines = file.read().split(b"\n")
    except OSError as trouble:
        raise LabError(f"cannot read the ground truth {path}: {trouble.strerror}") from trouble
    # The last line is being written, and the first one may be incomplete.
    for line in reversed(lines[:-1] if size <= LONGEST_LOOK else lines[1:-1]):
        try:
            record = parse_truth(line.decode())
        except ValueError as trouble:
            raise LabError(f"{path}: {trouble}") from trouble
        if isinstance(record, TruthStep):
            return record
    return None


@dataclass(frozen=True)
class Past:
    """The part of the log that a device needs to continue."""

    steps: tuple[TruthStep, ...] = ()
    """The last steps, in order."""
    written: Mapping[str, Value] = field(default_factory=dict)
    """The last value written to each address."""
    ticks: Mapping[str, int] = field(default_factory=dict)
    """The last tick of each group."""

    @property
    def step(self) -> TruthStep | None:
        return self.steps[-1] if self.steps else None


def read_past(folder: Path, steps: int = 1) -> Past:
    """Reads the log, with a maximum number of steps; empty if there is no log."""
    if not (folder / FILE).exists():
        return Past()
    last: deque[TruthStep] = deque(maxlen=max(1, steps))
    written: dict[str, Value] = {}
    ticks: dict[str, int] = {}
    for record in read_truth(folder):
        match record:
            case TruthStep():
                last.append(record)
            case TruthWrite(address=address, value=value):
                written[address] = value
            case TruthTick(group=group, seq=seq):
                ticks[group] = seq
    return Past(tuple(last), written, ticks)


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)
