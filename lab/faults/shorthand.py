"""Faults on the command line: `{fault: drop, link: arm-cloud}`, or `drop link=arm-cloud`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import read_yaml
from edge_lab.faults.catalog import catalog
from edge_lab.faults.fault import Fault
from edge_lab.faults.planfile import plan_form


def parse_fault(words: Sequence[str]) -> Fault:
    """A fault without times: `{fault: drop, link: arm-cloud}`, or `drop link=arm-cloud`.

    In the short form, `match.protocol=tcp` sets a nested field.

    Raises:
        InputError: there is no such fault.
    """
    form = plan_form(catalog()).fault_yaml
    text = " ".join(words).strip()
    if text.startswith("{"):
        return form.parse(text)
    if not words:
        raise InputError("no fault given", remedy="Run `lab fault kinds` to list them.")
    tree: dict[str, Any] = {"fault": words[0]}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InputError(
                f"{word!r} is not a field of a fault",
                remedy="Write fields as name=value, for example: lab fault add drop "
                "link=arm-cloud.",
            )
        *outer, last = key.split(".")
        inner = tree
        for name in outer:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise InputError(f"{word!r}: {name!r} is already set")
        inner[last] = read_yaml(value)
    return form.validate(tree)
