"""Configurations of SPIRE, in HCL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_INDENT = "  "


def hcl(settings: Mapping[str, Any], depth: int = 0) -> str:
    """`settings` as text: a mapping is a block, anything else a value.

    Values are written as JSON. HCL would interpolate `${…}`, which our values do not contain.
    """
    indent = _INDENT * depth
    text = ""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            text += f"{indent}{key} {{\n{hcl(value, depth + 1)}{indent}}}\n"
        else:
            text += f"{indent}{key} = {json.dumps(value)}\n"
    return text


def plugin(**data: Any) -> dict[str, Any]:
    """The block of a plugin with `data`."""
    return {"plugin_data": data}
