"""Admission over time: one peer is probed repeatedly at several endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import was_let_in
from edge_lab.probes.record import ProbeRecord

TryOnce = Callable[[], ProbeRecord]


@dataclass
class Admissions:
    """By endpoint, the peer's records, each with the seconds since it should have been refused."""

    met: dict[str, list[tuple[float, ProbeRecord]]] = field(default_factory=dict)

    def shut_after(self, endpoint: str) -> float | None:
        """Seconds until it was refused for good; None if it was admitted to the end."""
        return shut_after([(at, was_let_in(record)) for at, record in self.met[endpoint]])

    @property
    def last(self) -> list[ProbeRecord]:
        """The last record of each endpoint."""
        return [records[-1][1] for records in self.met.values()]

    def __str__(self) -> str:
        return "\n".join(
            f"{at:7.1f} s  {record}" for records in self.met.values() for at, record in records
        )


def admissions(
    tries: Mapping[str, TryOnce], deadline: Deadline, every: float, clock: float
) -> Admissions:
    """Probes all endpoints until all refuse the peer or the time is over. `clock` is the origin of
    the seconds, by `time.monotonic`."""
    found = Admissions({name: [] for name in tries})

    def all_shut() -> bool:
        for name, attempt in tries.items():
            record = attempt()
            found.met[name].append((time.monotonic() - clock, record))
        return not any(map(was_let_in, found.last))

    while not all_shut() and not deadline.expired:
        time.sleep(min(every, deadline.remaining))
    return found


def shut_after(met: Iterable[tuple[float, bool]]) -> float | None:
    """From times with admission: the first time after which it was never admitted again."""
    first: float | None = None
    for at, let_in in met:
        if let_in:
            first = None
        elif first is None:
            first = at
    return first
