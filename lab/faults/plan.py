"""Plans: which faults, on what, when and for how long. YAML in, a schedule out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import Loc, Problem, file_schema
from edge_lab.faults.catalog import built_in, catalog
from edge_lab.faults.fault import Fault
from edge_lab.faults.planfile import AtRandom, PlanFile, plan_form
from edge_lab.faults.planning import make_schedule
from edge_lab.faults.schedule import Planned
from edge_lab.topology import Topology


@dataclass(frozen=True)
class Plan:
    """A plan that is possible in a lab of that topology. Made by `load_plan`."""

    written: PlanFile
    topology: Topology
    seed: int
    planned: tuple[Planned, ...]

    @classmethod
    def of(cls, written: PlanFile, topology: Topology, *, seed: int | None = None) -> Plan:
        """Raises Problem if it is not possible."""
        seed = written.seed if seed is None else seed
        return cls(written, topology, seed, make_schedule(written, topology, seed))

    @property
    def name(self) -> str:
        return self.written.name

    @property
    def lasts_s(self) -> float:
        return self.written.lasts

    def schedule(self) -> tuple[Planned, ...]:
        """All faults in the order of their times; follows from file, topology and seed alone."""
        return self.planned


Ask = Callable[[Fault], None]
"""Raises InputError for a fault that could not be seen in a lab that is up."""


def nothing_more(fault: Fault) -> None:
    """Without a lab that is up there is nobody to ask."""


def load_plan(
    path: Path, topology: Topology, *, seed: int | None = None, ask: Ask = nothing_more
) -> Plan:
    """The plan in `path`, for labs of that topology; `seed` stands in for the file's.

    `ask` is asked of each fault, once: `FaultEngine.check` looks at the lab that is up.

    Raises:
        InputError: the file is missing, no YAML, or no plan that is possible there; the
            message holds file, line, what is wrong and what would be right.
    """
    written = plan_form(catalog()).plan_yaml.load(
        path, check=lambda read: _check(read, topology, seed, functools.cache(ask))
    )
    return Plan.of(written, topology, seed=seed)


def parse_plan(
    text: str,
    topology: Topology,
    file: Path | str = "<plan>",
    *,
    seed: int | None = None,
    ask: Ask = nothing_more,
) -> Plan:
    """As `load_plan`, from text; `file` is what messages call it."""
    written = plan_form(catalog()).plan_yaml.parse(
        text, file, check=lambda read: _check(read, topology, seed, functools.cache(ask))
    )
    return Plan.of(written, topology, seed=seed)


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a plan file with the faults that come with edge-lab.

    plans/schema.json is kept equal to it.
    """
    return file_schema(plan_form(built_in()).file)


def _check(written: PlanFile, topology: Topology, seed: int | None, ask: Ask) -> None:
    """First whether it is possible at all, then what takes longer: whether the lab agrees."""
    Plan.of(written, topology, seed=seed)
    for index, entry in enumerate(written.faults):
        loc: Loc = ("faults", index)
        if isinstance(entry, AtRandom):
            for at, fault in enumerate(entry.at_random.choose):
                _ask(ask, fault, (*loc, "at_random", "choose", at))
        else:
            _ask(ask, entry.plain(), loc)


def _ask(ask: Ask, fault: Fault, loc: Loc) -> None:
    try:
        ask(fault)
    except InputError as trouble:
        raise Problem(trouble.message, loc, trouble.remedy) from trouble
