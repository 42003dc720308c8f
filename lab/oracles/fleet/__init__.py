"""Verdicts on a control plane under a fleet: whether it can hold a size, and survives a herd."""

from edge_lab.oracles.fleet.herd import judge_herd
from edge_lab.oracles.fleet.load import Bend, Cause, FleetVerdict, bend, judge_load

__all__ = ["Bend", "Cause", "FleetVerdict", "bend", "judge_herd", "judge_load"]
