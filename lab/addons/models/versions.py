"""The models of the lab: what a boiler's temperature will be at its next step.

Each version is a linear function of the values that the node reads, in the device's raw numbers
(tenths of a degree). So its answers can be computed here too, and compared with what a node has
answered: an answer of one version's model with another's scaling is none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

INPUTS = ("temperature", "pressure", "flow", "valve", "heater", "setpoint")
"""Points of the boiler, in the order of the inputs."""
TARGET = INPUTS.index("temperature")

BASELINE, BETTER = "1", "2"
WORSE, BRITTLE, CORRUPT, UNLOADABLE = "worse", "brittle", "corrupt", "unloadable"
FRESH = tuple(str(number) for number in range(10, 22))
"""Versions as good as `BETTER`: each is new to a node once."""

_OFFSETS = (700.0, 225.0, 225.0, 50.0, 0.0, 700.0)
_SCALES = (50.0, 20.0, 100.0, 20.0, 1.0, 50.0)
SPREAD = 0.07
"""By how much the scaling of one version differs from that of the next: one of them with another
version's model is wrong by a tenth of a degree and more."""
AGREES = 0.05
"""Two outputs are those of one version if they differ by less, in raw numbers: single precision is
exact to 0.001 here."""


@dataclass(frozen=True)
class ModelVersion:
    """One version: a weight for each input, and a bias, all for raw numbers."""

    tag: str
    number: int
    """Determines its scaling."""
    weights: tuple[float, ...]
    bias: float
    corrupt: bool = False
    """Its content in the registry is not what its digest says."""
    loadable: bool = True

    def output(self, inputs: Sequence[float]) -> float:
        """The prediction, as a raw number."""
        pairs = zip(self.weights, inputs, strict=True)
        return sum(weight * value for weight, value in pairs) + self.bias

    # -- scaling -------------------------------------------------------------------------------

    @property
    def offsets(self) -> tuple[float, ...]:
        return tuple(offset + self.number for offset in _OFFSETS)

    @property
    def scales(self) -> tuple[float, ...]:
        return tuple(scale * (1 + SPREAD * self.number) for scale in _SCALES)

    @property
    def offset(self) -> float:
        return 700.0 + self.number

    @property
    def scale(self) -> float:
        return 50.0 * (1 + SPREAD * self.number)

    @property
    def scaled(self) -> tuple[tuple[float, ...], float]:
        """Weights and bias between scaled inputs and the scaled output."""
        weights = tuple(
            weight * scale / self.scale
            for weight, scale in zip(self.weights, self.scales, strict=True)
        )
        return weights, (self.output(self.offsets) - self.offset) / self.scale


def versions_for(period_s: float) -> Mapping[str, ModelVersion]:
    """All versions by tag, for a device with a step of that length.

    The good ones are the boiler's own equation (lab/devices/plant.py) near 70 °C and a valve at
    50 %; the baseline says that nothing changes.
    """
    persistence = ModelVersion(BASELINE, 1, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0)
    weights = (1 - 0.005 * period_s, 0.0, 0.0, -0.02 * period_s, 9 * period_s, 0.0)
    good = ModelVersion(BETTER, 2, weights, 2.0 * period_s)
    # It learnt from data in which the setpoint never changed, so any weight of it was as good.
    spurious = (*weights[:5], 0.2)
    found = (
        persistence,
        good,
        replace(good, tag=WORSE, number=3, bias=good.bias + 15),
        replace(good, tag=BRITTLE, number=4, weights=spurious, bias=good.bias - 0.2 * 700),
        replace(good, tag=CORRUPT, number=5, corrupt=True),
        replace(good, tag=UNLOADABLE, number=6, loadable=False),
        *(replace(good, tag=tag, number=7 + index) for index, tag in enumerate(FRESH)),
    )
    return {version.tag: version for version in found}
