"""What a view lacks of what a node has served, counted sample by sample; pure functions.

served     numbers that the exporter has logged, between the first and the last that are judged
missing    of those, the ones that the view has not, as gaps of numbers without a hole
doubtful   served so slowly that the sender may have given up: neither missing nor owed
repeated   numbers that the view has under more than one stamp
wrong      samples whose devices' numbers are others than were served with that number
unknown    numbers that were never served
misdated   samples whose stamp is more than `tolerance` from when they were served
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.addons.metrics.records import NANOSECONDS, Served, Stored

TOLERANCE_SECONDS = 2.0
"""Between a sender's stamp, when it begins to scrape, and the exporter's, when it answers."""


@dataclass(frozen=True)
class Gap:
    """Samples in a row that the view has not."""

    samples: tuple[Served, ...]

    @property
    def first(self) -> int:
        return self.samples[0].number

    @property
    def last(self) -> int:
        return self.samples[-1].number

    @property
    def seconds(self) -> float:
        """From the first lost one to the last."""
        return (self.samples[-1].time - self.samples[0].time) / NANOSECONDS

    def __len__(self) -> int:
        return len(self.samples)

    def __str__(self) -> str:
        return f"{self.first} to {self.last} ({len(self)} samples, {self.seconds:.0f} s)"


@dataclass(frozen=True)
class Count:
    """How a view compares with what was served, for one sender on one node."""

    served: int
    stored: int
    """Different numbers among those served."""
    doubtful: int
    gaps: tuple[Gap, ...] = ()
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
) -> Count:
    """What of the numbers in (`after`, `until`] is in a view.

    Numbers begin with 1 and leave none out; a number that is not in `served` and lies in between
    was never served.
    """
    last = max((one.number for one in served), default=0) if until is None else until
    judged = {one.number: one for one in served if after < one.number <= last}
    by_number: dict[int, list[Stored]] = {}
    for sample in stored:
        if after < sample.number and (until is None or sample.number <= until):
            by_number.setdefault(sample.number, []).append(sample)
    known = {number: judged[number] for number in sorted(by_number.keys() & judged.keys())}
    return Count(
        served=len(judged),
        stored=len(known),
        doubtful=sum(one.doubtful for one in judged.values()),
        gaps=tuple(_gaps(judged[number] for number in sorted(judged) if number not in by_number)),
        repeated=tuple(
            number
            for number, samples in sorted(by_number.items())
            if len({sample.time for sample in samples}) > 1
        ),
        wrong=tuple(
            number
            for number, one in known.items()
            if any(dict(sample.devices) != dict(one.devices) for sample in by_number[number])
        ),
        unknown=tuple(sorted(by_number.keys() - judged.keys())),
        misdated=tuple(
            number
            for number, one in known.items()
            if any(
                abs(sample.time - one.time) > tolerance * NANOSECONDS
                for sample in by_number[number]
            )
        ),
    )


def _gaps(missing: Iterable[Served]) -> Iterable[Gap]:
    """By numbers without a hole; doubtful ones are left out."""
    row: list[Served] = []
    for one in missing:
        if one.doubtful:
            continue
        if row and one.number != row[-1].number + 1:
            yield Gap(tuple(row))
            row = []
        row.append(one)
    if row:
        yield Gap(tuple(row))


def untrue(served: Iterable[Served], device: str, steps: Iterable[int]) -> tuple[int, ...]:
    """The numbers served with a sequence number that the device's ground truth does not have."""
    known = set(steps)
    return tuple(
        one.number for one in served if device in one.devices and one.devices[device] not in known
    )
