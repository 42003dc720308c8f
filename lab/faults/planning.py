"""From a plan file to its schedule: the constraints on all its faults together."""

from __future__ import annotations

import itertools

from edge_lab.core.durations import show_duration
from edge_lab.core.yamlmodel import Loc, Problem
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.faults.chance import Chance, StreamOf, draw_seed
from edge_lab.faults.fault import Fault
from edge_lab.faults.planfile import (
    MOST_FAULTS,
    AtRandom,
    PlanFile,
    RandomFaults,
    TimedFault,
)
from edge_lab.faults.schedule import Contradictions, Planned, in_order, planned
from edge_lab.topology import Topology


def make_schedule(written: PlanFile, topology: Topology, seed: int) -> tuple[Planned, ...]:
    """The schedule. Raises Problem if the plan is not possible in that topology."""
    contradictions = Contradictions(topology)
    fixed: dict[int, Planned] = {}
    for index, entry in enumerate(written.faults):
        if not isinstance(entry, AtRandom):
            fixed[index] = _fixed(index, entry, written, topology, seed)
    for (_, earlier), (index, item) in itertools.combinations(fixed.items(), 2):
        if why := contradictions.between(item, earlier):
            raise Problem(
                f"{item} conflicts with {earlier}: {why}",
                ("faults", index),
                "Use times that do not overlap, or another target.",
            )
    found = list(fixed.values())
    for index, entry in enumerate(written.faults):
        if isinstance(entry, AtRandom):
            chance = _chance(index, entry.at_random, written, topology)
            drawn = chance.draw(StreamOf(seed, "plan", str(index)), found, contradictions)
            if drawn is None:
                raise Problem(
                    f"no room for {_faults(chance.count)} between "
                    f"{show_duration(chance.between[0])} and {show_duration(chance.between[1])} "
                    f"with the seed {seed}: they would conflict with each other or with other "
                    "faults",
                    ("faults", index, "at_random"),
                    "Use fewer or shorter faults, more time, or more targets.",
                )
            found += drawn
    if len(found) > MOST_FAULTS:
        raise Problem(f"{len(found)} faults; a plan has {MOST_FAULTS} at most", ("faults",))
    return in_order(found)


def _faults(count: int) -> str:
    return "a fault" if count == 1 else f"{count} faults"


def _fixed(
    index: int, entry: TimedFault, written: PlanFile, topology: Topology, seed: int
) -> Planned:
    loc: Loc = ("faults", index)
    fault = entry.plain().seeded(draw_seed(RandomStream(seed, "plan", str(index))))
    _check(fault, topology, loc)
    least = fault.least_s
    if entry.for_ is None and not least:
        raise Problem(
            f"{fault.title} has no `for`: it would never end",
            loc,
            "Add `for`, for example `for: 60s`.",
        )
    if entry.for_ == 0:
        raise Problem("`for: 0` leaves no time to see the fault", (*loc, "for"))
    if entry.for_ is not None and entry.for_ < least and not fault.is_momentary:
        raise Problem(
            f"{fault.title} takes {show_duration(least)}, more than its `for`",
            (*loc, "for"),
            "Omit `for`, or use fewer or shorter periods.",
        )
    item = planned(entry.at, entry.for_, fault)
    if item.ends_s > written.lasts:
        what = "is over" if entry.for_ is None else "ends"
        kept = ", or set a shorter `for`" if fault.is_momentary and entry.for_ is None else ""
        raise Problem(
            f"{fault.title} {what} at {show_duration(item.ends_s)}, and the plan lasts "
            f"{show_duration(written.lasts)}",
            (*loc, "at" if entry.for_ is None else "for"),
            f"Let it begin or end earlier, or increase the plan's `lasts`{kept}.",
        )
    return item


def _chance(index: int, block: RandomFaults, written: PlanFile, topology: Topology) -> Chance:
    loc: Loc = ("faults", index, "at_random")
    for at, fault in enumerate(block.choose):
        _check(fault, topology, (*loc, "choose", at))
    if block.between[1] > written.lasts:
        raise Problem(
            f"`between` reaches to {show_duration(block.between[1])}, and the plan lasts "
            f"{show_duration(written.lasts)}",
            (*loc, "between"),
        )
    if block.for_ is None and not all(fault.least_s for fault in block.choose):
        raise Problem(
            "`for` is missing: the faults would never end",
            loc,
            "Add `for`, for example `for: [5s, 20s]`.",
        )
    if block.for_ is not None and block.for_[0] == 0:
        raise Problem("`for` from 0 s leaves no time to see a fault", (*loc, "for"))
    return Chance(block.count, block.between, block.for_ or (0.0, 0.0), block.choose)


def _check(fault: Fault, topology: Topology, loc: Loc) -> None:
    for objection in fault.objections(topology):
        raise Problem(objection.message, (*loc, objection.field), objection.remedy)
