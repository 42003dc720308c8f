"""The plan of faults of a day: that of plans/plant-day.yaml, scaled to the length of the day."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lab.core.yamltext import yaml_text
from edge_lab.data import PLANS
from edge_lab.faults.catalog import catalog
from edge_lab.faults.fault import Fault
from edge_lab.faults.plan import Plan
from edge_lab.faults.planfile import AtRandom, PlanFile, TimedFault, plan_form
from edge_lab.faults.schedule import Contradictions, Planned, planned
from edge_lab.topology import Topology
from suites.plantday.day import QUIET, Day

FILE = PLANS / "plant-day.yaml"
LEAST_SECONDS = 15.0
"""A fault lasts at least so long: on a short day it would be healed before it does anything."""


@dataclass(frozen=True)
class DayPlan:
    """The faults of one day in one lab; the same for the same file, lab and length."""

    seed: int
    lasts_s: float
    planned: tuple[Planned, ...]
    left_out: tuple[str, ...]
    """Faults for which the lab has no target, or the day no room."""

    def text(self) -> str:
        """As a plan file."""
        faults = [_as_entry(fault) for fault in self.planned]
        return yaml_text(
            {"name": "plant-day", "seed": self.seed, "lasts": self.lasts_s, "faults": faults}
        )

    def write(self, folder: Path) -> Path:
        file = folder / "plant-day.yaml"
        file.write_text(self.text(), encoding="utf-8")
        return file


def plan_of_day(day: Day, topology: Topology, file: Path = FILE) -> DayPlan:
    """Each fault of the file at the same share of the day; those without a target in the lab, or
    without room beside earlier ones, are left out.

    Raises:
        InputError: the file is not a plan.
    """
    written: PlanFile = plan_form(catalog()).plan_yaml.load(file)
    possible, lacking = _possible(written, topology)
    whole = Plan.of(possible, topology)
    lasts = day.at(QUIET)
    factor = lasts / written.lasts
    contradictions = Contradictions(topology)
    kept: list[Planned] = []
    crowded: list[str] = []
    for written_fault in whole.schedule():
        scaled = _scaled(written_fault, factor)
        fits = scaled.ends_s <= lasts and not any(
            contradictions.between(scaled, earlier) for earlier in kept
        )
        if fits:
            kept.append(scaled)
        else:
            crowded.append(
                f"{written_fault.fault.title}: no room on a day of {day.minutes:g} minutes"
            )
    return DayPlan(whole.seed, lasts, tuple(kept), (*lacking, *crowded))


def _possible(written: PlanFile, topology: Topology) -> tuple[PlanFile, tuple[str, ...]]:
    """The plan without faults for which the lab has no target, and their titles."""
    kept: list[TimedFault | AtRandom] = []
    lacking: list[str] = []

    def has(fault: Fault) -> bool:
        objection = next(fault.objections(topology), None)
        if objection is not None:
            lacking.append(f"{fault.title}: {objection.message}")
        return objection is None

    for entry in written.faults:
        if not isinstance(entry, AtRandom):
            if has(entry.plain()):
                kept.append(entry)
            continue
        chosen = tuple(fault for fault in entry.at_random.choose if has(fault))
        if chosen:
            block = entry.at_random.model_copy(update={"choose": chosen})
            kept.append(entry.model_copy(update={"at_random": block}))
    return written.model_copy(update={"faults": tuple(kept)}), tuple(lacking)


def _scaled(timed: Planned, factor: float) -> Planned:
    at, fault = round(timed.at_s * factor, 1), timed.fault
    if timed.for_s is None:
        return planned(at, max(fault.least_s, round(timed.reserved_s * factor, 1)), fault)
    if fault.least_s:
        return planned(at, max(fault.least_s, timed.for_s), fault)
    return planned(at, max(LEAST_SECONDS, round(timed.for_s * factor, 1)), fault)


def _as_entry(timed: Planned) -> dict[str, Any]:
    entry: dict[str, Any] = timed.fault.model_dump(mode="json", exclude_none=True)
    entry["at"] = timed.at_s
    entry["for"] = timed.reserved_s if timed.for_s is None else timed.for_s
    return entry
