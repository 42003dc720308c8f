"""The ground truth of a device: what it has shown, written down before anyone could see it.

`truth.jsonl` in the device's folder, one JSON object a line, only ever appended to:

    {"kind": "map", ...}    first line: the device, its plant, the address of each point
    {"kind": "step", "seq": 7, "time": 1700000000000000000, "values": {...}, "state": {...},
     "requested": 700}
    {"kind": "write", "seq": 7, "time": ..., "address": "100", "value": 650}

`time` is ns since 1970, whole microseconds, because OPC UA's timestamps carry no more.
`values` are as served: raw for Modbus, in the point's unit for OPC UA.  `state` is the
plant's and `requested` the raw setpoint asked for, so that the last line of kind `step` is
also all that it takes to go on from there after a kill.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.devices.points import Value
from lab.errors import LabError

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
    """Raw setpoint in force from the next step on."""


@dataclass(frozen=True)
class TruthWrite:
    """A client has written a value; `seq` was the step shown at that moment."""

    seq: int
    time: int
    address: str
    value: Value


TruthRecord = TruthStep | TruthWrite


def now() -> int:
    """ns since 1970, whole microseconds."""
    return time.time_ns() // 1000 * 1000


class TruthLog:
    """The writing end. One line is one write(2): a kill leaves whole lines."""

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

    def step(self, step: TruthStep) -> None:
        self._append(
            {
                "kind": "step",
                "seq": step.seq,
                "time": step.time,
                "values": dict(step.values),
                "state": dict(step.state),
                "requested": step.requested,
            }
        )

    def write(self, write: TruthWrite) -> None:
        self._append(
            {
                "kind": "write",
                "seq": write.seq,
                "time": write.time,
                "address": write.address,
                "value": write.value,
            }
        )

    def _append(self, line: Mapping[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def parse_truth(text: str) -> TruthRecord | None:
    """One line of the log; None for the map.

    Raises:
        ValueError: it is no line of a truth log.
    """
    line = json.loads(text)
    try:
        match line["kind"]:
            case "map":
                return None
            case "step":
                return TruthStep(
                    line["seq"], line["time"], line["values"], line["state"], line["requested"]
                )
            case "write":
                return TruthWrite(line["seq"], line["time"], line["address"], line["value"])
            case other:
                raise ValueError(f"unknown kind {other!r}")
    except (KeyError, TypeError) as trouble:
        raise ValueError(f"no line of a truth log: {text[:80]!r}") from trouble


def read_truth(folder: Path) -> Iterator[TruthRecord]:
    """All records in the order in which they were written; a line being written is left out.

    Raises:
        LabError: there is no log, or a line of it is damaged.
    """
    path = folder / FILE
    try:
        # Lines are ended by \n alone: the log is UTF-8 JSON and may hold other breaks.
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


def last_step(folder: Path) -> TruthStep | None:
    """The last step in the log; None if there is no log, or no step in it."""
    if not (folder / FILE).exists():
        return None
    last: TruthStep | None = None
    for record in read_truth(folder):
        if isinstance(record, TruthStep):
            last = record
    return last


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)
