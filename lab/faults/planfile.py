"""The models of a plan file, built for the available kinds of faults."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

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
from edge_lab.core.yamlmodel import YamlModel
from edge_lab.data import PLANS
from edge_lab.faults.anyfault import AnyFault
from edge_lab.faults.catalog import Catalog
from edge_lab.faults.fault import Fault

LONGEST_S = 7 * 24 * 3600.0
MOST_FAULTS = 500
"""Maximum number of faults in one plan. Each waits for its time in its own thread."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimedFault(_Model):
    """Base of the faults with their times. Each kind of fault has its own, see `PlanForm`."""

    plain_kind: ClassVar[type[Fault]]
    """The kind without times."""

    at: Seconds = Field(description="From the plan's start: 90s, 1m30s, or a number of seconds.")
    for_: Seconds | None = Field(
        None, alias="for", description="How long. Not needed for a fault that ends by itself."
    )

    def plain(self) -> Fault:
        """The fault without its times."""
        kind = self.plain_kind
        own = self.model_dump(include=set(kind.model_fields), exclude_unset=True)
        return kind.model_validate(own)


def _not_backwards(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"{show_duration(span[0])} is more than {show_duration(span[1])}")
    return span


Range = Annotated[tuple[Seconds, Seconds], AfterValidator(_not_backwards)]
"""Minimum and maximum."""


class RandomFaults(_Model):
    """Faults drawn by the plan's seed. None of them conflicts with another one."""

    count: int = Field(ge=1, le=MOST_FAULTS)
    between: Range = Field(description="The time window: they begin and end within it.")
    for_: Range | None = Field(None, alias="for", description="How long: minimum and maximum.")
    choose: tuple[AnyFault, ...] = Field(min_length=1, description="All with equal probability.")


class AtRandom(_Model):
    at_random: RandomFaults


class PlanFile(_Model):
    """The content of a plan file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Of a-z, 0-9 and -.")
    seed: int = Field(0, ge=0, lt=2**63, description="The seed of all random parts.")
    lasts: Annotated[Seconds, Field(gt=0, le=LONGEST_S)] = Field(
        description="All faults are healed by then."
    )
    faults: tuple[TimedFault | AtRandom, ...] = Field(min_length=1, max_length=MOST_FAULTS)


@dataclass(frozen=True)
class PlanForm:
    """The models of plans and faults for one catalog.

    Unions that are discriminated by `fault`, so that an error message refers to the kind meant.
    """

    file: type[PlanFile]
    fault: Any
    """A union of all kinds, without times."""

    @property
    def plan_yaml(self) -> YamlModel[PlanFile]:
        return YamlModel(
            self.file,
            what="plan",
            keys="name:, lasts:, faults:, …",
            remedy=f"{PLANS / 'five-minute-partition.yaml'} is a good example to start from.",
            extensions=True,
        )

    @property
    def fault_yaml(self) -> YamlModel[Fault]:
        return YamlModel(self.fault, what="fault", keys="fault: cut, link: …")


def plan_form(catalog: Catalog) -> PlanForm:
    """The models for its kinds, in its order."""
    return _form(tuple(catalog.kinds.values()))


@functools.cache
def _form(kinds: tuple[type[Fault], ...]) -> PlanForm:
    fault = _union(kinds)
    random_faults = _extended(RandomFaults, choose=tuple[fault, ...])  # type: ignore[valid-type]
    forms: dict[str, Any] = {
        "fault": _union([_timed(kind) for kind in kinds]),
        "at_random": _extended(AtRandom, at_random=random_faults),
    }
    tagged: list[Any] = [Annotated[form, Tag(name)] for name, form in forms.items()]
    entry: Any = Annotated[
        functools.reduce(operator.or_, tagged),
        Discriminator(
            _form_of,
            custom_error_type="no_entry",
            custom_error_message="an entry must be a mapping with the key `fault` or `at_random`",
        ),
    ]
    return PlanForm(_extended(PlanFile, faults=tuple[entry, ...]), fault)


def _timed(kind: type[Fault]) -> type[TimedFault]:
    """The same fault with its times beside its own fields."""
    timed: type[TimedFault] = _model(f"Planned{kind.__name__}", (TimedFault, kind), kind)
    timed.plain_kind = kind
    return timed


def _union(kinds: Any) -> Any:
    """A union of models that are discriminated by their field `fault`."""
    return Annotated[functools.reduce(operator.or_, kinds), Field(discriminator="fault")]


def _extended(model: type[Any], **fields: Any) -> Any:
    """The same model, with another type for some of its fields."""
    types = {name: (form, model.model_fields[name]) for name, form in fields.items()}
    return _model(model.__name__, model, model, **types)


def _model(name: str, base: Any, described_by: type[BaseModel], **fields: Any) -> Any:
    return create_model(name, __base__=base, __doc__=described_by.__doc__, **fields)


def _form_of(entry: Any) -> str | None:
    if isinstance(entry, Mapping):
        return "at_random" if "at_random" in entry else "fault"
    if isinstance(entry, AtRandom):
        return "at_random"
    return "fault" if isinstance(entry, BaseModel) else None
