"""Verdicts on a control plane under a fleet: whether it can hold a size, and survives a herd."""

from edge_lab.oracles.fleet.herd import judge_herd
from edge_lab.oracles.fleet.load import Cause, FleetVerdict, ScaleLimit, judge_load, scale_limit

__all__ = ["Cause", "FleetVerdict", "ScaleLimit", "judge_herd", "judge_load", "scale_limit"]
