"""Fleets of several sizes, held one after the other until one is too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.core.errors import LabError

if TYPE_CHECKING:
    from edge_lab.evidence.fleet import FleetLoad


@dataclass(frozen=True)
class Held:
    """The measured loads, in ascending size."""

    loads: tuple[FleetLoad, ...]
    failure: str = ""
    """The size that could not be measured, with the reason; empty if there is none."""


def hold_each(
    sizes: Sequence[int],
    hold: Callable[[int], FleetLoad],
    passed: Callable[[FleetLoad], bool],
    check: Callable[[], None],
) -> Held:
    """Holds sizes until one does not pass: larger ones would add nothing, and might break the lab.

    An overloaded control plane may not even answer. This is reported, and not an error if a
    smaller size was measured.

    Raises:
        LabError: the smallest size could not be measured; or what `check` raises, after another
            could not be.
    """
    loads: list[FleetLoad] = []
    for size in sizes:
        try:
            load = hold(size)
        except LabError as trouble:
            if not loads:
                raise
            check()  # a fleet that ended by itself says nothing about the control plane
            return Held(tuple(loads), f"fails at {size}: {trouble.message}")
        loads.append(load)
        if not passed(load):
            break
    return Held(tuple(loads))
