"""Kinds of faults as forms to be filled in: their fields in the words of `lab fault add`."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from edge_lab.core.errors import InputError
from edge_lab.faults.catalog import catalog
from edge_lab.faults.fault import Fault
from edge_lab.faults.shorthand import parse_fault
from edge_lab.topology import Topology


class Input(StrEnum):
    """What is written into a field."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole"
    CHOICE = "choice"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class FormField(_Model):
    name: str
    """As on the command line: a field of a field has a dot, as `match.protocol`."""
    input: Input
    required: bool
    default: str
    """Empty if there is none."""
    choices: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    """Some of what may be written there."""
    description: str = ""


class FaultForm(_Model):
    """One kind of fault, or one thing that it can do where one of its fields says what."""

    title: str
    family: str
    meaning: str
    words: tuple[str, ...]
    """What stands: the kind, what it is about, and what it does."""
    fields: tuple[FormField, ...]
    impossible: str = ""
    """Why it is not possible there, as far as that can be said without the fields."""


PLACES = ("link", "node", "device")
"""The fields that say what a fault is about, and so what one clicks on for it."""


def forms_for(place: str, name: str, topology: Topology) -> tuple[FaultForm, ...]:
    """All that can be done to the link, node or device (`place`) of that name.

    Raises:
        InputError: a package that brings faults cannot be loaded.
    """
    return tuple(
        _judged(form, place, topology)
        for kind in catalog().kinds.values()
        if place in kind.model_fields
        for form in _forms(kind, place, name)
    )


def meaning_of(model: type[BaseModel]) -> str:
    """The first paragraph of its description."""
    paragraph = (model.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _forms(kind: type[Fault], place: str, name: str) -> Iterator[FaultForm]:
    tag = str(kind.model_fields["fault"].default)
    own = {key: field for key, field in kind.model_fields.items() if key not in ("fault", place)}
    words = (tag, f"{place}={name}")
    for key, field in own.items():
        if not isinstance(field.discriminator, str):
            continue
        others = {other: it for other, it in own.items() if other != key}
        for form in typing.get_args(field.annotation):
            does = str(form.model_fields[field.discriminator].default)
            inner = {
                inner_key: it
                for inner_key, it in form.model_fields.items()
                if inner_key != field.discriminator
            }
            yield FaultForm(
                title=does,
                family=kind.family,
                meaning=meaning_of(form),
                words=(*words, f"{key}.{field.discriminator}={does}"),
                fields=(*_fields(others), *_fields(inner, f"{key}.")),
            )
        return
    yield FaultForm(
        title=tag,
        family=kind.family,
        meaning=meaning_of(kind),
        words=words,
        fields=tuple(_fields(own)),
    )


def _fields(
    fields: typing.Mapping[str, FieldInfo], prefix: str = "", *, may_be_left_out: bool = False
) -> Iterator[FormField]:
    for name, field in fields.items():
        inner = _without_none(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            optional = may_be_left_out or not field.is_required()
            yield from _fields(inner.model_fields, f"{prefix}{name}.", may_be_left_out=optional)
            continue
        default = None if field.is_required() else field.default
        choices = typing.get_args(inner) if typing.get_origin(inner) is typing.Literal else ()
        yield FormField(
            name=prefix + name,
            input=Input.CHOICE if choices else _INPUTS.get(inner, Input.TEXT),
            required=field.is_required() and not may_be_left_out,
            default="" if default in (None, ()) else _as_yaml(default),
            choices=tuple(map(str, choices)) or (("false", "true") if inner is bool else ()),
            examples=tuple(map(str, field.examples or ())),
            description=field.description or "",
        )


_INPUTS: typing.Mapping[object, Input] = {
    int: Input.WHOLE,
    float: Input.NUMBER,
    bool: Input.CHOICE,
}


def _without_none(annotation: object) -> object:
    """What a field holds if it holds anything."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [each for each in typing.get_args(annotation) if each is not type(None)]
        return inner[0] if len(inner) == 1 else annotation
    if typing.get_origin(annotation) is typing.Annotated:
        return typing.get_args(annotation)[0]
    return annotation


def _as_yaml(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


_SAMPLES = {Input.NUMBER: "0.5", Input.WHOLE: "1"}
"""For a required field, so that the rest of the fault can be judged."""


def _judged(form: FaultForm, place: str, topology: Topology) -> FaultForm:
    """Whether it is possible there at all, whatever is written into its fields.

    That is what objections to the place, or to what the fault does there, say.
    """
    filled: list[str] = []
    for field in form.fields:
        if field.required and field.input in _SAMPLES:
            filled.append(f"{field.name}={_SAMPLES[field.input]}")
        elif field.required:
            return form
    try:
        fault = parse_fault((*form.words, *filled))
    except InputError:
        return form  # it needs more than that
    does = {word.partition(".")[0] for word in form.words if "." in word.partition("=")[0]}
    for objection in fault.objections(topology):
        if objection.field in {place, *does}:
            return form.model_copy(update={"impossible": objection.message})
        break
    return form
