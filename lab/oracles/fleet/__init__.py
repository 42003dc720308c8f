"""Verdicts on a control plane that carries a fleet: whether it holds a size, and a herd."""

from edge_lab.oracles.fleet.herd import judge_herd
from edge_lab.oracles.fleet.load import Bend, Cause, FleetVerdict, bend, judge_load

__all__ = ["Bend", "Cause", "FleetVerdict", "bend", "judge_herd", "judge_load"]
