"""Kinds of faults as forms, with fields in the syntax of `lab fault add`."""

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
    """The type of a field's input."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole"
    CHOICE = "choice"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class FormField(_Model):
    name: str
    """As on the command line: nested fields have a dot, as `match.protocol`."""
    input: Input
    required: bool
    default: str
    """Empty if there is none."""
    choices: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    """Examples of valid input."""
    description: str = ""


class FaultForm(_Model):
    """A kind of fault, or one of its variants if a field selects between them."""

    title: str
    family: str
    meaning: str
    words: tuple[str, ...]
    """The fixed words: kind, target and variant."""
    fields: tuple[FormField, ...]
    impossible: str = ""
    """Why it is not possible there, as far as that is known without the fields."""


PLACES = ("link", "node", "device")
"""The fields that name the target of a fault."""


def forms_for(place: str, name: str, topology: Topology) -> tuple[FaultForm, ...]:
    """The faults of the link, node or device (`place`) of that name.

    Raises:
        InputError: a package that provides faults cannot be loaded.
    """
    return tuple(
        _judged(form, place, topology)
        for kind in catalog().kinds.values()
        if place in kind.model_fields
        for form in _forms(kind, place, name)
    )


def meaning_of(model: type[BaseModel]) -> str:
    """The first paragraph of its docstring."""
    paragraph = (model.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _forms(kind: type[Fault], place: str, name: str) -> Iterator[FaultForm]:
    tag = str(kind.model_fields["fault"].default)
    own = {key: field for key, field in kind.model_fields.items() if key not in ("fault", place)}
    words = (tag, f"{place}={name}")
    for key, field in own.items():
        if not isinstance(field.discriminator, str):
            continue
        others = {other: own_field for other, own_field in own.items() if other != key}
        for form in typing.get_args(field.annotation):
            does = str(form.model_fields[field.discriminator].default)
            inner = {
                inner_key: inner_field
                for inner_key, inner_field in form.model_fields.items()
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
    """The type of a field, without None."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [argument for argument in typing.get_args(annotation) if argument is not type(None)]
        return inner[0] if len(inner) == 1 else annotation
    if typing.get_origin(annotation) is typing.Annotated:
        return typing.get_args(annotation)[0]
    return annotation


def _as_yaml(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


_SAMPLES = {Input.NUMBER: "0.5", Input.WHOLE: "1"}
"""Values for required fields, so that the rest of the fault can be checked."""


def _judged(form: FaultForm, place: str, topology: Topology) -> FaultForm:
    """The form, marked if the fault is impossible there for any input.

    That follows from objections to the place or to the variant.
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
        return form  # it needs more fields
    does = {word.partition(".")[0] for word in form.words if "." in word.partition("=")[0]}
    for objection in fault.objections(topology):
        if objection.field in {place, *does}:
            return form.model_copy(update={"impossible": objection.message})
        break
    return form
