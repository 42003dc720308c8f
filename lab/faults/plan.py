"""Plans: which faults, on what, when and for how long. YAML in, a schedule out."""

from __future__ import annotations

import functools
import itertools
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
)

from edge_lab.core.durations import Seconds, show_duration
from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import Loc, Problem, YamlModel, did_you_mean, file_schema, read_yaml
from edge_lab.data import PLANS
from edge_lab.fabric.dice import Dice
from edge_lab.faults import futile, profiles
from edge_lab.faults.kinds import (
    ClockJump,
    ClockSkew,
    DiskFull,
    Fault,
    Freeze,
    Impair,
    Kill,
    OnDevice,
)
from edge_lab.faults.schedule import (
    Chance,
    Contradictions,
    DiceOf,
    Planned,
    claims,
    draw_seed,
    in_order,
    is_momentary,
    least_s,
    planned,
    seeded,
)
from edge_lab.topology import Topology

LONGEST_S = 7 * 24 * 3600.0
MOST_FAULTS = 500
"""In one plan. Each waits for its time in a thread of its own."""

FAULT_KINDS: tuple[type[BaseModel], ...] = typing.get_args(typing.get_args(Fault)[0])
"""All models of faults."""

LIFELINES = frozenset({"ssh", "sshd", "dbus", "systemd-networkd", "systemd-logind"})
"""Services over which the lab itself reaches a node: without them no fault is healed."""

NO_DISK = ("/proc", "/sys", "/dev", "/run", "/boot")
"""Folders on which no file system of a node's disk is, or one that it cannot boot without."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Timed(_Model):
    at: Seconds = Field(description="From the plan's start: 90s, 1m30s, or a number of seconds.")
    for_: Seconds | None = Field(
        None, alias="for", description="How long. Not needed where a fault is over by itself."
    )


def _timed(kind: type[BaseModel]) -> type[BaseModel]:
    """The same fault with its times beside its own fields."""
    return create_model(f"Planned{kind.__name__}", __base__=(_Timed, kind), __doc__=kind.__doc__)


_KIND_OF = {_timed(kind): kind for kind in FAULT_KINDS}

if TYPE_CHECKING:
    TimedFault = _Timed
else:
    TimedFault = Annotated[
        functools.reduce(lambda one, other: one | other, _KIND_OF), Field(discriminator="fault")
    ]


def _not_backwards(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"{show_duration(span[0])} is more than {show_duration(span[1])}")
    return span


Range = Annotated[tuple[Seconds, Seconds], AfterValidator(_not_backwards)]
"""The least and the most."""


class RandomFaults(_Model):
    """Faults drawn by the plan's seed. None of them contradicts another one."""

    count: int = Field(ge=1, le=MOST_FAULTS)
    between: Range = Field(description="They begin no sooner, and are over by then.")
    for_: Range | None = Field(None, alias="for", description="How long: the least and the most.")
    choose: tuple[Fault, ...] = Field(min_length=1, description="Each as likely as the other.")


class AtRandom(_Model):
    at_random: RandomFaults


def _form_of(entry: Any) -> str | None:
    if isinstance(entry, Mapping):
        return "at_random" if "at_random" in entry else "fault"
    if isinstance(entry, AtRandom):
        return "at_random"
    return "fault" if isinstance(entry, BaseModel) else None


Entry = Annotated[
    Annotated[TimedFault, Tag("fault")] | Annotated[AtRandom, Tag("at_random")],
    Discriminator(
        _form_of,
        custom_error_type="no_entry",
        custom_error_message="an entry is a mapping with `fault` or with `at_random`",
    ),
]


class PlanFile(_Model):
    """A plan as it is written."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Of a-z, 0-9 and -.")
    seed: int = Field(0, ge=0, lt=2**63, description="Of all that is left to chance.")
    lasts: Annotated[Seconds, Field(gt=0, le=LONGEST_S)] = Field(
        description="All is healed by then."
    )
    faults: tuple[Entry, ...] = Field(min_length=1, max_length=MOST_FAULTS)


_PLAN: YamlModel[PlanFile] = YamlModel(
    PlanFile,
    what="plan",
    keys="name:, lasts:, faults:, …",
    remedy=f"{PLANS / 'five-minute-partition.yaml'} is a good one to begin with.",
    extensions=True,
)
_FAULT: YamlModel[Fault] = YamlModel(Fault, what="fault", keys="fault: cut, link: …")


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
        return cls(written, topology, seed, _schedule(written, topology, seed))

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
    written = _PLAN.load(
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
    written = _PLAN.parse(
        text, file, check=lambda read: _check(read, topology, seed, functools.cache(ask))
    )
    return Plan.of(written, topology, seed=seed)


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a plan file (plans/schema.json is kept equal to it)."""
    return file_schema(PlanFile)


def parse_fault(words: Sequence[str]) -> Fault:
    """A fault without times: `{fault: drop, link: arm-cloud}`, or `drop link=arm-cloud`.

    In the short form, `match.protocol=tcp` reaches into a field.

    Raises:
        InputError: there is no such fault.
    """
    text = " ".join(words).strip()
    if text.startswith("{"):
        return _FAULT.parse(text)
    if not words:
        raise InputError("no fault is named", remedy="`lab fault kinds` lists them.")
    tree: dict[str, Any] = {"fault": words[0]}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InputError(
                f"{word!r} is no field of a fault",
                remedy="Write fields as name=value: lab fault add drop link=arm-cloud.",
            )
        *outer, last = key.split(".")
        inner = tree
        for name in outer:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise InputError(f"{word!r}: {name!r} has a value already")
        inner[last] = read_yaml(value)
    return _FAULT.validate(tree)


def check_fault(fault: Fault, topology: Topology) -> None:
    """Raises InputError if the fault is not possible in a lab of that topology."""
    try:
        _check_fault(fault, topology, ())
    except Problem as trouble:
        raise InputError(trouble.message, remedy=trouble.remedy) from trouble


# -- what must hold for a single fault -----------------------------------------------------------


def _check_fault(fault: Fault, topology: Topology, loc: Loc) -> None:
    for field, names in _names(topology).items():
        if field in type(fault).model_fields:
            name = getattr(fault, field)
            if name not in names:
                raise Problem(
                    f"there is no {field} {name!r}",
                    (*loc, field),
                    f"{did_you_mean(name, names)}Known are: {', '.join(names) or 'none'}.",
                )
    for field, message, remedy in _objections(fault, topology):
        raise Problem(message, (*loc, field), remedy)


def _names(topology: Topology) -> dict[str, tuple[str, ...]]:
    return {
        "link": tuple(link.name for link in topology.links),
        "node": tuple(node.name for node in topology.nodes),
        "device": tuple(device.name for device in topology.devices),
    }


def _objections(fault: Fault, topology: Topology) -> Iterator[tuple[str, str, str]]:
    """Field, what is wrong, and what would be right."""
    own: Any = fault
    match fault:
        case Kill() | Freeze():
            stem, dot, kind = fault.service.rpartition(".")
            if not dot or kind != "service" or not stem:
                right = f"{fault.service}.service"
                yield "service", f"{fault.service!r} names no service", f"Write it as {right}."
            if stem.partition("@")[0] in LIFELINES:
                yield (
                    "service",
                    f"without {fault.service} the lab could not reach {fault.node} to heal it",
                    "To have a node out of reach, cut its links or pause it.",
                )
        case DiskFull():
            parts = fault.path.split("/")
            if ".." in parts or any(
                fault.path == folder or fault.path.startswith(f"{folder}/") for folder in NO_DISK
            ):
                yield (
                    "path",
                    f"{fault.path} is no place on a disk that may be filled",
                    "/var is where containers, images and logs are.",
                )
        case ClockJump() if not fault.seconds:
            yield "seconds", "a jump of 0 s has no effect that could be seen", ""
        case ClockSkew() if not fault.ppm:
            yield "ppm", "a skew of 0 ppm has no effect that could be seen", ""
        case Impair() if fault.impairment.is_clear:
            fields = ", ".join(type(fault.impairment).model_fields)
            yield "fault", "an impairment that changes nothing", f"Give one of: {fields}."
        case OnDevice():
            yield from _of_device(fault, topology)
        case _ if "name" in type(fault).model_fields:
            try:
                profiles.profile(own.name)
            except InputError as trouble:
                yield "name", trouble.message, trouble.remedy
    try:
        claims(fault, topology)
    except InputError as trouble:
        yield "link", trouble.message, trouble.remedy
    yield from futile.objections(fault, topology)


def _of_device(fault: OnDevice, topology: Topology) -> Iterator[tuple[str, str, str]]:
    try:
        fault.does.check(topology.device(fault.device).protocol)
    except InputError as trouble:
        yield "does", f"{fault.device}: {trouble.message}", trouble.remedy


# -- what must hold for all of them together -----------------------------------------------------


def _check(written: PlanFile, topology: Topology, seed: int | None, ask: Ask) -> None:
    """First whether it is possible at all, then what takes longer: whether the lab agrees."""
    Plan.of(written, topology, seed=seed)
    for index, entry in enumerate(written.faults):
        loc: Loc = ("faults", index)
        if isinstance(entry, AtRandom):
            for at, fault in enumerate(entry.at_random.choose):
                _ask(ask, fault, (*loc, "at_random", "choose", at))
        else:
            _ask(ask, _plain(entry), loc)


def _ask(ask: Ask, fault: Fault, loc: Loc) -> None:
    try:
        ask(fault)
    except InputError as trouble:
        raise Problem(trouble.message, loc, trouble.remedy) from trouble


def _plain(entry: _Timed) -> Fault:
    """The fault without its times."""
    kind: Any = _KIND_OF[type(entry)]
    fault: Fault = kind(**entry.model_dump(include=set(kind.model_fields), exclude_unset=True))
    return fault


def _schedule(written: PlanFile, topology: Topology, seed: int) -> tuple[Planned, ...]:
    contradictions = Contradictions(topology)
    fixed: dict[int, Planned] = {}
    for index, entry in enumerate(written.faults):
        if not isinstance(entry, AtRandom):
            fixed[index] = _fixed(index, entry, written, topology, seed)
    for (_, earlier), (index, item) in itertools.combinations(fixed.items(), 2):
        if why := contradictions.between(item, earlier):
            raise Problem(
                f"{item} contradicts {earlier}: {why}",
                ("faults", index),
                "Give them times apart, or take another target.",
            )
    found = list(fixed.values())
    for index, entry in enumerate(written.faults):
        if isinstance(entry, AtRandom):
            chance = _chance(index, entry.at_random, written, topology)
            drawn = chance.draw(DiceOf(seed, "plan", str(index)), found, contradictions)
            if drawn is None:
                raise Problem(
                    f"no room for {_faults(chance.count)} between "
                    f"{show_duration(chance.between[0])} and {show_duration(chance.between[1])} "
                    f"with the seed {seed}: they would contradict each other or other faults",
                    ("faults", index, "at_random"),
                    "Take fewer or shorter ones, more time, or more targets.",
                )
            found += drawn
    if len(found) > MOST_FAULTS:
        raise Problem(f"{len(found)} faults; a plan has {MOST_FAULTS} at most", ("faults",))
    return in_order(found)


def _faults(count: int) -> str:
    return "a fault" if count == 1 else f"{count} faults"


def _fixed(index: int, entry: _Timed, written: PlanFile, topology: Topology, seed: int) -> Planned:
    loc: Loc = ("faults", index)
    fault = seeded(_plain(entry), draw_seed(Dice(seed, "plan", str(index))))
    _check_fault(fault, topology, loc)
    least = least_s(fault)
    if entry.for_ is None and not least:
        raise Problem(
            f"{fault.title} has no `for`: it would last for ever", loc, "Add `for: 60s`, say."
        )
    if entry.for_ == 0:
        raise Problem("`for: 0` is no time for a fault to be seen", (*loc, "for"))
    if entry.for_ is not None and entry.for_ < least and not is_momentary(fault):
        raise Problem(
            f"{fault.title} takes {show_duration(least)}, more than `for` gives it",
            (*loc, "for"),
            "Leave `for` out, or take fewer or shorter periods.",
        )
    item = planned(entry.at, entry.for_, fault)
    if item.ends_s > written.lasts:
        what = "is over" if entry.for_ is None else "ends"
        kept = "; `for` says otherwise" if is_momentary(fault) and entry.for_ is None else ""
        raise Problem(
            f"{fault.title} {what} at {show_duration(item.ends_s)}, and the plan lasts "
            f"{show_duration(written.lasts)}",
            (*loc, "at" if entry.for_ is None else "for"),
            f"Let it begin sooner or end sooner, or let the plan last longer{kept}.",
        )
    return item


def _chance(index: int, block: RandomFaults, written: PlanFile, topology: Topology) -> Chance:
    loc: Loc = ("faults", index, "at_random")
    for at, fault in enumerate(block.choose):
        _check_fault(fault, topology, (*loc, "choose", at))
    if block.between[1] > written.lasts:
        raise Problem(
            f"`between` reaches to {show_duration(block.between[1])}, and the plan lasts "
            f"{show_duration(written.lasts)}",
            (*loc, "between"),
        )
    if block.for_ is None and not all(map(least_s, block.choose)):
        raise Problem(
            "`for` is missing: the faults would last for ever", loc, "Add `for: [5s, 20s]`, say."
        )
    if block.for_ is not None and block.for_[0] == 0:
        raise Problem("`for` from 0 s is no time for a fault to be seen", (*loc, "for"))
    return Chance(block.count, block.between, block.for_ or (0.0, 0.0), block.choose)
