"""Sizes as text: `500K`, `10M`, `1.5G` are powers of 1000, `10Gi` of 1024."""

from __future__ import annotations

import re

from edge_lab.core.errors import InputError

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmg]?)(i?)b?", re.IGNORECASE)
_UNITS = ("B", "KiB", "MiB", "GiB")


def parse_size(text: str) -> int:
    """Bytes of a size such as 1500, 500K, 1.5G or 10Mi; InputError if it is not a size."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise InputError(f"{text!r} is not a size", remedy="Write a size such as 500K, 10M or 1G.")
    unit = (1024 if found[3] else 1000) ** " kmg".index(found[2].lower() or " ")
    return max(1, int(float(found[1]) * unit))


def show_size(size: int) -> str:
    """In the largest fitting binary unit: `1.5 GiB`."""
    value, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == _UNITS[0] else f"{value:.1f} {unit}"
