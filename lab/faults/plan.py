"""Fault plans: which faults, on what, when and for how long. From YAML to a schedule."""

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
    """A plan that is possible in a lab of that topology. Created by `load_plan`."""

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
        """All faults by time; determined by file, topology and seed alone."""
        return self.planned


Ask = Callable[[Fault], None]
"""Raises InputError for a fault that could not be observed in the running lab."""


def nothing_more(fault: Fault) -> None:
    """Accepts every fault: without a running lab nothing can be checked."""


def load_plan(
    path: Path, topology: Topology, *, seed: int | None = None, ask: Ask = nothing_more
) -> Plan:
    """The plan in `path`, for labs of that topology; `seed` overrides the file's.

    `ask` is called once for each fault: `FaultEngine.check` checks it against the running lab.

    Raises:
        InputError: the file is missing, not YAML, or not a plan that is possible there; the
            message has file, line, what is wrong and the remedy.
    """
    check = _Check(topology, seed, functools.cache(ask))
    plan_form(catalog()).plan_yaml.load(path, check=check)
    return check.plan


def parse_plan(
    text: str,
    topology: Topology,
    file: Path | str = "<plan>",
    *,
    seed: int | None = None,
    ask: Ask = nothing_more,
) -> Plan:
    """Like `load_plan`, from text; `file` is its name in messages."""
    check = _Check(topology, seed, functools.cache(ask))
    plan_form(catalog()).plan_yaml.parse(text, file, check=check)
    return check.plan


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a plan file with the faults that come with edge-lab.

    plans/schema.json is kept equal to it.
    """
    return file_schema(plan_form(built_in()).file)


class _Check:
    """Checks first whether a plan is possible at all, then, by `ask`, against the lab.

    Its schedule takes long to draw, and is kept: `plan` is the last one that was found possible.
    """

    plan: Plan

    def __init__(self, topology: Topology, seed: int | None, ask: Ask) -> None:
        self._topology = topology
        self._seed = seed
        self._ask = ask

    def __call__(self, written: PlanFile) -> None:
        self.plan = Plan.of(written, self._topology, seed=self._seed)
        for index, entry in enumerate(written.faults):
            loc: Loc = ("faults", index)
            if isinstance(entry, AtRandom):
                for at, fault in enumerate(entry.at_random.choose):
                    _ask(self._ask, fault, (*loc, "at_random", "choose", at))
            else:
                _ask(self._ask, entry.plain(), loc)


def _ask(ask: Ask, fault: Fault, loc: Loc) -> None:
    try:
        ask(fault)
    except InputError as trouble:
        raise Problem(trouble.message, loc, trouble.remedy) from trouble
