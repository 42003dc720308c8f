"""The cost of a sandbox: figures of pods with and without it, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import COUNT, Better, Measure, identifier
from edge_lab.oracles.scheduling.statistics import CONFIDENCE, Ratio, Summary, ratio, summary

MIB = 1024 * 1024

CONTROL_CONFIDENCE = 0.999
"""Confidence of comparisons that a test depends on: equals differ at 0.95 in one run of twenty, at
this in one of a thousand."""


class BenchRecord(BaseModel):
    """The output of `/edge bench`: reads of a device, and samples stored on disk."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    ok: bool
    error: str = ""
    connect_s: float = Field(ge=0)
    read_s: tuple[float, ...]
    samples: int = Field(ge=0)
    samples_s: float = Field(ge=0)

    @property
    def read(self) -> float:
        """The median read, s."""
        return summary(self.read_s).p50

    @property
    def rate(self) -> float:
        """Samples per second, each read from the device and stored on disk before the next."""
        if not self.samples or not self.samples_s:
            raise LabError("no evidence: no sample was kept")
        return self.samples / self.samples_s


def parse_bench(text: str) -> BenchRecord:
    """Parses the line that the program printed; LabError if it is invalid."""
    try:
        return BenchRecord.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(
            f"the bench in a pod printed no figures: {trouble.errors()[0]['msg']}; it printed "
            f"{text.strip()[:120]!r}"
        ) from trouble


class Figure(Enum):
    """What is measured of a pod, its unit, and the better direction."""

    START = ("pod start", "s", Better.LOWER)
    MEMORY = ("memory of a pod", "MiB", Better.LOWER)
    READ = ("read of a Modbus device", "ms", Better.LOWER)
    RATE = ("samples per second", "1/s", Better.HIGHER)

    @property
    def heading(self) -> str:
        return self.value[0]

    @property
    def unit(self) -> str:
        return self.value[1]

    @property
    def better(self) -> Better:
        return self.value[2]


@dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    name: str
    values: tuple[float, ...]
    """In the figure's unit, and in the order in which they were measured."""

    @property
    def summary(self) -> Summary:
        return summary(self.values)


@dataclass(frozen=True)
class CostFigure:
    """One figure of two kinds of pods, interleaved on one node."""

    figure: Figure
    base: Side
    other: Side
    ratio: Ratio
    """The ratio of `other` to `base`."""

    @property
    def title(self) -> str:
        return f"{self.figure.heading}, {self.other.name} to {self.base.name}"

    def __str__(self) -> str:
        return f"{self.title}: {self.ratio}"

    def measures(self, node: str) -> tuple[Measure, ...]:
        """Median and high percentiles of both, the ratio with its interval, and the count."""
        return (*self._of(self.base, node), *self._of(self.other, node), *self._ratio(node))

    def _of(self, side: Side, node: str) -> tuple[Measure, ...]:
        of = side.summary
        values = {"p50": of.p50, "p90": of.p90}
        evidence = f"{of.count} values, interleaved on one node"
        return tuple(
            self._measure(side.name, label, value, self.figure.unit, node, evidence)
            for label, value in values.items()
        )

    def _ratio(self, node: str) -> tuple[Measure, ...]:
        found = self.ratio
        percent = f"{100 * found.confidence:g} %"
        evidence = f"{found}, {percent} interval, {found.pairs} interleaved pairs"
        values: dict[str, float] = {"": found.value}
        if found.interval is not None:
            values[f"{percent} from"] = found.interval.low
            values[f"{percent} to"] = found.interval.high
        name = f"{self.other.name} to {self.base.name}"
        pairs = Measure(
            name=identifier(f"{self.title} pairs"),
            value=found.pairs,
            unit=COUNT,
            node=node,
            heading=self.title,
            label="pairs",
            evidence=evidence,
        )
        return (
            *(
                self._measure(name, label, value, "×", node, evidence)
                for label, value in values.items()
            ),
            pairs,
        )

    def _measure(
        self, name: str, label: str, value: float, unit: str, node: str, evidence: str
    ) -> Measure:
        heading = f"{self.figure.heading}, {name}"
        better = self.figure.better
        return Measure.of(heading, value, unit, node, label=label, better=better, evidence=evidence)


def cost(
    figure: Figure,
    base: tuple[str, Sequence[float]],
    other: tuple[str, Sequence[float]],
    confidence: float = CONFIDENCE,
) -> CostFigure:
    """The figure of two kinds of pods by their names, and the ratio over pairs.

    Raises:
        LabError: the values are not pairs, or one is not positive.
    """
    return CostFigure(
        figure,
        Side(base[0], tuple(base[1])),
        Side(other[0], tuple(other[1])),
        ratio(base[1], other[1], confidence),
    )
