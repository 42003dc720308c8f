"""`lab fault kinds` and `lab fault profiles`: all kinds of faults and all line profiles."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel
from rich.markup import escape

from edge_lab.cli.common import out
from edge_lab.cli.render import plain_table, wrapped


def kinds() -> None:
    """List all kinds of faults with their fields."""
    table = wrapped(plain_table("faults", "family", "fault", "fields", "effect"))
    for row in kind_rows():
        table.add_row(*map(escape, row))
    out.print(table)


def list_profiles() -> None:
    """List the line profiles for the fault `profile`."""
    from edge_lab.faults.families.link.profiles import PROFILES

    table = wrapped(plain_table("line profiles", "name", "description", "up", "down", "source"))
    for line in PROFILES.values():
        cells = (line.name, line.what, str(line.up), str(line.down), line.source)
        table.add_row(*map(escape, cells))
    out.print(table)


class KindRow(NamedTuple):
    family: str
    kind: str
    fields: str
    meaning: str


def kind_rows() -> list[KindRow]:
    """A row for each fault, or for each of its variants if a field selects between them."""
    from edge_lab.faults.catalog import catalog

    return [
        KindRow(kind.family, name, fields, meaning)
        for name, kind in catalog().kinds.items()
        for fields, meaning in _forms(kind)
    ]


def _forms(kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Fields and meaning of the kind, or of each of its variants."""
    for name, field in kind.model_fields.items():
        if not isinstance(field.discriminator, str):
            continue
        others = [other for other in _fields(kind, "fault") if other != name]
        for form in typing.get_args(field.annotation):
            tag = field.discriminator
            inner = ", ".join([f"{tag}: {_constant(form, tag)}", *_fields(form, tag)])
            yield ", ".join([*others, f"{name}={{{inner}}}"]), _meaning(form)
        return
    yield ", ".join(_fields(kind, "fault")), _meaning(kind)


def _constant(model: type[BaseModel], field: str) -> str:
    return str(model.model_fields[field].default)


def _fields(model: type[BaseModel], tag: str) -> list[str]:
    """Required fields first; the others in brackets, with their defaults."""
    own = {name: field for name, field in model.model_fields.items() if name != tag}
    must = [name for name, field in own.items() if field.is_required()]
    may = [
        f"[{name}]" if field.default in (None, ()) else f"[{name}={field.default}]"
        for name, field in own.items()
        if name not in must
    ]
    return must + may


def _meaning(model: type[BaseModel]) -> str:
    paragraph = (model.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())
