"""Configurations of SPIRE, in HCL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_INDENT = "  "


def hcl(settings: Mapping[str, Any], depth: int = 0) -> str:
    """`settings` as text: a mapping is a block, anything else a value.

    Values are written as JSON has them. HCL would put `${…}` in; nothing of ours has it.
    """
    lines: list[str] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            lines += [f"{_INDENT * depth}{key} {{", hcl(value, depth + 1), f"{_INDENT * depth}}}"]
        else:
            lines.append(f"{_INDENT * depth}{key} = {json.dumps(value)}")
    return "\n".join(line for line in lines if line) + ("\n" if depth == 0 else "")


def plugin(**data: Any) -> dict[str, Any]:
    """The block of a plugin that is told `data`."""
    return {"plugin_data": data}
