"""Whether every sample arrived exactly once, and unaltered.

There are three sources: the device's ground truth (what was shown), the sampler's counters
(which numbers were assigned, which still wait on the node's disk), and the collector's content
(what arrived).  Per node and device:

    written   steps in the truth between the first and the last that the sampler has stored
    sampled   assigned numbers: 1 to `sampled`
    arrived   different numbers at the collector
    waiting   numbers that are neither confirmed nor arrived: on the node's disk
    lost      assigned numbers that neither arrived nor wait
    repeated  samples that the collector holds more than once: a number twice (which it shows
              only if the contents differ: the sampler has used the number again), or one step
              of the device under two numbers
    wrong     arrived samples whose values are not the truth at their sequence number,
              or whose sequence number the device has never shown
    missed    steps in the truth that were never sampled: the reader was too slow, or cut off
    late      arrived samples that took longer than `late_after` seconds from truth to arrival

Lost, repeated and wrong samples are failures.  Missed and late ones are for the test to judge:
if the device's link is cut there must be missed steps, if the uplink is cut there must be late
ones.  Missing evidence is a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from edge_lab.addons.workload.records import CollectedSample, SampleCounts
from edge_lab.devices.truth import TruthStep
from edge_lab.evidence.samples import SampleObservation
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.oracles.verdict import Judged


@dataclass(frozen=True)
class SampleVerdict(Judged):
    """The verdict on one device and node. `problems` says why it has not passed."""

    separator: ClassVar[str] = "\n  "

    node: str
    device: str
    written: int
    sampled: int
    arrived: int
    waiting: int
    lost: tuple[int, ...]
    """Numbers."""
    repeated: tuple[int, ...]
    """Sample numbers; for a step with two numbers, the later ones."""
    wrong: tuple[WrongSample, ...]
    missed: tuple[int, ...]
    """The device's sequence numbers."""
    late: tuple[LateSample, ...]
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        return (
            f"{self.device} on {self.node}: {self.written} written, {self.sampled} sampled, "
            f"{self.arrived} arrived, {self.waiting} waiting, {len(self.lost)} lost, "
            f"{len(self.repeated)} repeated, {len(self.wrong)} wrong, {len(self.missed)} missed, "
            f"{len(self.late)} late"
        )


@dataclass(frozen=True)
class WrongSample:
    """A sample that differs from what the device has shown."""

    number: int
    seq: int
    difference: str
    """What was shown and what arrived, as text."""


@dataclass(frozen=True)
class LateSample:
    number: int
    seconds: float
    """From the moment that the device showed it to its arrival."""


def judge_samples(
    observation: SampleObservation, *, late_after: float = 10.0, since: int = 0
) -> SampleVerdict:
    """The verdict on one observation.

    Args:
        observation: What was recorded.
        late_after: Seconds from truth to arrival after which a sample is late.  Device and
            collector have separate clocks, so this cannot be accurate to milliseconds.
        since: Only samples whose number is above it are judged.
    """
    truth = {step.seq: step for step in observation.truth}
    samples = sorted(
        (
            sample
            for sample in observation.collected
            if (sample.node, sample.device) == (observation.node, observation.device)
            and sample.number > since
        ),
        key=lambda sample: sample.number,
    )
    numbers = {sample.number for sample in samples}
    counts = observation.counts
    sampled = max(counts.sampled if counts else 0, max(numbers, default=0))
    absent = [number for number in range(since + 1, sampled + 1) if number not in numbers]
    still_there, lost = _waiting_and_lost(absent, counts)
    repeated = _repeated(samples)
    wrong = tuple(_wrong(samples, truth))
    written, missed = _written_and_missed(truth, samples, counts, len(absent))
    late = tuple(
        LateSample(sample.number, seconds)
        for sample in samples
        if sample.seq in truth
        and (seconds := (sample.received - truth[sample.seq].time) / NANOSECONDS) > late_after
    )
    return SampleVerdict(
        node=observation.node,
        device=observation.device,
        written=written,
        sampled=sampled - since if sampled > since else 0,
        arrived=len(numbers),
        waiting=len(still_there),
        lost=lost,
        repeated=repeated,
        wrong=wrong,
        missed=missed,
        late=late,
        problems=tuple(_problems(observation, samples, lost, repeated, wrong, since)),
    )


def _waiting_and_lost(
    absent: list[int], counts: SampleCounts | None
) -> tuple[list[int], tuple[int, ...]]:
    """Splits the numbers that have not arrived into waiting and lost ones. Confirmed samples do
    not wait, and no more wait than the sampler reports: the newest ones."""
    if counts is None:
        return [], tuple(absent)
    may_wait = [number for number in absent if counts.acknowledged < number <= counts.sampled]
    waiting = may_wait[len(may_wait) - min(len(may_wait), counts.waiting) :]
    return waiting, tuple(sorted(set(absent) - set(waiting)))


def _repeated(samples: list[CollectedSample]) -> tuple[int, ...]:
    numbers = Counter(sample.number for sample in samples)
    found = {number for number, times in numbers.items() if times > 1}
    first_with: dict[int, int] = {}
    for sample in samples:
        if first_with.setdefault(sample.seq, sample.number) != sample.number:
            found.add(sample.number)
    return tuple(sorted(found))


def _wrong(samples: list[CollectedSample], truth: dict[int, TruthStep]) -> list[WrongSample]:
    found: list[WrongSample] = []
    for sample in samples:
        shown = truth.get(sample.seq)
        if shown is None:
            what = "the device has never shown this step"
        elif dict(shown.values) != sample.values:
            what = _difference(dict(shown.values), sample.values)
        else:
            continue
        found.append(WrongSample(sample.number, sample.seq, what))
    return found


def _difference(shown: dict[str, int | float], arrived: dict[str, int | float]) -> str:
    names = sorted(set(shown) | set(arrived))
    return ", ".join(
        f"{name}: shown {shown.get(name, 'nothing')}, arrived {arrived.get(name, 'nothing')}"
        for name in names
        if shown.get(name) != arrived.get(name)
    )


def _written_and_missed(
    truth: dict[int, TruthStep],
    samples: list[CollectedSample],
    counts: SampleCounts | None,
    absent: int,
) -> tuple[int, tuple[int, ...]]:
    """Steps of the truth in the span that was sampled, and those of them without a sample.

    Which steps the absent samples contain is unknown: the newest steps are assumed.
    """
    seen = {sample.seq for sample in samples}
    if not seen:
        return len(truth), ()
    first, last = min(seen), max(seen)
    if absent and counts is not None:
        last = max(last, counts.last_seq)
    span = sorted(seq for seq in truth if first <= seq <= last)
    without = [seq for seq in span if seq not in seen]
    return len(span), tuple(without[: max(0, len(without) - absent)])


def _problems(
    observation: SampleObservation,
    samples: list[CollectedSample],
    lost: tuple[int, ...],
    repeated: tuple[int, ...],
    wrong: tuple[WrongSample, ...],
    since: int,
) -> list[str]:
    found: list[str] = []
    if not observation.truth:
        found.append("no evidence: the device's ground truth is empty")
    if observation.counts is None:
        found.append("no evidence: the sampler did not answer")
    elif observation.counts.sampled <= since:
        found.append("no evidence: the sampler has taken no sample")
    if not samples:
        found.append("no evidence: no sample has arrived")
    if lost:
        found.append(f"{len(lost)} lost: {_some(lost)}")
    if repeated:
        found.append(f"{len(repeated)} repeated: {_some(repeated)}")
    for sample in wrong[:3]:
        found.append(f"sample {sample.number} (step {sample.seq}) is wrong: {sample.difference}")
    if len(wrong) > 3:
        found.append(f"{len(wrong) - 3} more are wrong")
    return found


def _some(numbers: Sequence[int], most: int = 10) -> str:
    text = ", ".join(str(number) for number in numbers[:most])
    return text if len(numbers) <= most else f"{text}, …"
