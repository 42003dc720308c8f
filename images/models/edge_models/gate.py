"""Live samples, and the comparison of two models on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .states import Comparison, Version


@dataclass(frozen=True)
class Sample:
    """The inputs at one step of the device, and what the next step has shown."""

    seq: int
    inputs: tuple[float, ...]
    truth: float


@dataclass(frozen=True)
class Reading:
    """One step of the device, as it was read."""

    seq: int
    time: float
    inputs: tuple[float, ...]


def samples_of(readings: Iterable[Reading], target: int, since: float) -> tuple[Sample, ...]:
    """The readings since then whose next step was read too; `target` is the index of the input that
    models predict for that step."""
    by_seq = {reading.seq: reading for reading in readings if reading.time >= since}
    return tuple(
        Sample(seq, reading.inputs, by_seq[seq + 1].inputs[target])
        for seq, reading in sorted(by_seq.items())
        if seq + 1 in by_seq
    )


def mean_error(samples: Sequence[Sample], outputs: Sequence[float]) -> float:
    """The mean absolute error; infinite if an output is not a number."""
    if not samples or len(samples) != len(outputs):
        raise ValueError(f"{len(samples)} samples and {len(outputs)} outputs")
    total = sum(abs(one.truth - output) for one, output in zip(samples, outputs, strict=True))
    found = total / len(samples)
    return found if found == found else float("inf")


def compare(
    samples: Sequence[Sample],
    candidate: tuple[Version, Sequence[float]],
    serving: tuple[Version, Sequence[float]],
) -> Comparison:
    """`candidate` and `serving` with their outputs for the samples."""
    return Comparison(
        candidate=candidate[0].tag,
        serving=serving[0].tag,
        candidate_error=mean_error(samples, candidate[1]),
        serving_error=mean_error(samples, serving[1]),
        samples=len(samples),
    )
