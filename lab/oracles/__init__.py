"""Oracles: pure functions from recorded observations to a verdict with its evidence."""

from edge_lab.evidence.samples import SampleObservation
from edge_lab.oracles.samples import SampleVerdict, judge_samples

__all__ = ["SampleObservation", "SampleVerdict", "judge_samples"]
