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
    """What was measured, from the smallest size up."""

    loads: tuple[FleetLoad, ...]
    bends: str = ""
    """Of a size that could not be measured, and why; empty if all that were tried could be."""


def hold_each(
    sizes: Sequence[int],
    hold: Callable[[int], FleetLoad],
    passed: Callable[[FleetLoad], bool],
    check: Callable[[], None],
) -> Held:
    """Holds sizes until one does not pass: what is larger would tell nothing else, and may take
    the lab with it.

    A control plane that a size is too much for may not even answer. That is told, and no error, if
    a smaller size was measured.

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
            check()  # a fleet that has ended by itself says nothing of the control plane
            return Held(tuple(loads), f"bends at {size}: {trouble.message}")
        loads.append(load)
        if not passed(load):
            break
    return Held(tuple(loads))
