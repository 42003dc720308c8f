"""The memory of a node, and of the process that takes it."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.core.errors import LabError

_NEEDED = ("MemTotal", "MemAvailable", "MemFree", "Cached", "pgsteal_kswapd")


@dataclass(frozen=True)
class Sight:
    """The state of a node at one moment; MiB."""

    total: float
    available: float
    free: float
    cached: float
    stolen: int
    """Pages that were reclaimed since boot."""
    active: bool
    """Whether the unit is running."""
    rss: float
    """Resident memory of its process, from smaps; 0 if there is none."""
    before: float | None
    """Available memory when the fault began; None if it was not recorded since boot."""


def parse_sight(text: str) -> Sight:
    """Parses the output of `guest.look`; LabError if something is missing in it."""
    kib: dict[str, int] = {}
    active: bool | None = None
    for line in text.splitlines():
        match line.split():
            case ["active", state]:
                active = state in ("active", "activating", "deactivating")
            case [name, number] | [name, number, "kB"] if number.isascii() and number.isdigit():
                kib[name.rstrip(":")] = int(number)
    if active is None or any(name not in kib for name in _NEEDED):
        raise LabError(f"the node did not report its memory: {text[:300]!r}")
    before = kib.get("before")
    return Sight(
        total=kib["MemTotal"] / 1024,
        available=kib["MemAvailable"] / 1024,
        free=kib["MemFree"] / 1024,
        cached=kib["Cached"] / 1024,
        stolen=kib["pgsteal_kswapd"] + kib.get("pgsteal_direct", 0),
        active=active,
        rss=kib.get("Rss", 0) / 1024,
        before=None if before is None else before / 1024,
    )
