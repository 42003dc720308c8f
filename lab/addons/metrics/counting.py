"""Compares a view with what a node served, sample by sample; pure functions.

served     numbers that the exporter logged, between the first and the last that are judged
missing    of those, the ones that the view does not have, as contiguous gaps
doubtful   served so slowly that the sender may have timed out: not required in the view
unscraped  served, but the sender reports that the scrape failed, as after a timeout: not required
repeated   numbers that the view has with more than one timestamp
wrong      samples whose device values differ from those served with that number
unknown    numbers that were never served
misdated   samples whose timestamp cannot be that of their scrape: it begins before it is served, by
           at most its timeout, within `tolerance`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.addons.metrics.names import SCRAPE_SECONDS
from edge_lab.addons.metrics.records import NANOSECONDS, Served, Stored

TOLERANCE_SECONDS = 2.0
"""Between a sender's timestamp, when it begins to scrape, and the exporter's, when it answers."""


@dataclass(frozen=True)
class Gap:
    """Consecutive samples that the view does not have."""

    samples: tuple[Served, ...]

    @property
    def first(self) -> int:
        return self.samples[0].number

    @property
    def last(self) -> int:
        return self.samples[-1].number

    @property
    def seconds(self) -> float:
        """From the first missing one to the last."""
        return (self.samples[-1].time - self.samples[0].time) / NANOSECONDS

    def __len__(self) -> int:
        return len(self.samples)

    def __str__(self) -> str:
        return f"{self.first} to {self.last} ({len(self)} samples, {self.seconds:.0f} s)"


@dataclass(frozen=True)
class Count:
    """The comparison of a view with what was served, for one sender on one node."""

    served: int
    stored: int
    """Distinct served numbers that arrived."""
    doubtful: int
    gaps: tuple[Gap, ...] = ()
    unscraped: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    misdated: tuple[int, ...] = ()

    @property
    def missing(self) -> tuple[Served, ...]:
        return tuple(sample for gap in self.gaps for sample in gap.samples)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, repeated, wrong, unknown or misdated."""
        return not (self.gaps or self.repeated or self.wrong or self.unknown or self.misdated)


def compare(
    served: Sequence[Served],
    stored: Iterable[Stored],
    *,
    after: int = 0,
    until: int | None = None,
    tolerance: float = TOLERANCE_SECONDS,
    failed: Iterable[int] = (),
) -> Count:
    """Compares a view with the numbers in (`after`, `until`].

    Numbers begin with 1 without gaps; a number in between that is not in `served` was never
    served. `failed` are the timestamps of the scrapes that the sender reports as failed, in ns;
    each explains at most one missing number.
    """
    last = max((scrape.number for scrape in served), default=0) if until is None else until
    judged = {scrape.number: scrape for scrape in served if after < scrape.number <= last}
    by_number: dict[int, list[Stored]] = {}
    for sample in stored:
        if after < sample.number and (until is None or sample.number <= until):
            by_number.setdefault(sample.number, []).append(sample)
    absent = [judged[number] for number in sorted(judged) if number not in by_number]
    unscraped = _unscraped(absent, failed)
    known = {number: judged[number] for number in sorted(by_number.keys() & judged.keys())}
    return Count(
        served=len(judged),
        stored=len(known),
        doubtful=sum(scrape.doubtful for scrape in judged.values()),
        gaps=tuple(_gaps(scrape for scrape in absent if scrape.number not in unscraped)),
        unscraped=tuple(sorted(unscraped)),
        repeated=tuple(
            number
            for number, samples in sorted(by_number.items())
            if len({sample.time for sample in samples}) > 1
        ),
        wrong=tuple(
            number
            for number, scrape in known.items()
            if any(dict(sample.devices) != dict(scrape.devices) for sample in by_number[number])
        ),
        unknown=tuple(sorted(by_number.keys() - judged.keys())),
        misdated=tuple(
            number
            for number, scrape in known.items()
            if not all(_is_of(sample, scrape, tolerance) for sample in by_number[number])
        ),
    )


def _is_of(sample: Stored, scrape: Served, tolerance: float) -> bool:
    """Whether a sample may have the timestamp of a scrape, which began before it was served."""
    waited = (scrape.time - sample.time) / NANOSECONDS
    return -tolerance <= waited <= SCRAPE_SECONDS + tolerance


def _unscraped(absent: Iterable[Served], failed: Iterable[int]) -> frozenset[int]:
    """The numbers whose scrape is one of those reported as failed: it was due before the response,
    by at most its timeout and `TOLERANCE_SECONDS`."""
    reports = sorted(failed)
    found = []
    for scrape in absent:
        earliest = scrape.time - (SCRAPE_SECONDS + TOLERANCE_SECONDS) * NANOSECONDS
        report = next((due for due in reports if earliest <= due <= scrape.time), None)
        if report is not None:
            reports.remove(report)
            if not scrape.doubtful:
                found.append(scrape.number)
    return frozenset(found)


def _gaps(missing: Iterable[Served]) -> Iterable[Gap]:
    """Contiguous gaps, without doubtful numbers."""
    row: list[Served] = []
    for scrape in missing:
        if scrape.doubtful:
            continue
        if row and scrape.number != row[-1].number + 1:
            yield Gap(tuple(row))
            row = []
        row.append(scrape)
    if row:
        yield Gap(tuple(row))


def untrue(served: Iterable[Served], device: str, steps: Iterable[int]) -> tuple[int, ...]:
    """The numbers served with a sequence number that is not in the device's ground truth."""
    known = set(steps)
    return tuple(
        scrape.number
        for scrape in served
        if device in scrape.devices and scrape.devices[device] not in known
    )
