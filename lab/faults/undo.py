"""Undoes a fault that fails half-way; if that fails too, the journal must keep it as active."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from edge_lab.core.errors import EdgeLabError, InputError, LabError


class StillActive(LabError):
    """The effect of a fault was not seen, and the fault could not be undone either."""


@contextlib.contextmanager
def undoing(undo: Callable[[], object]) -> Iterator[None]:
    """If the block fails, calls `undo`, except for an InputError: then nothing was changed yet.

    Raises:
        StillActive: `undo` failed too.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as trouble:
        try:
            undo()
        except EdgeLabError as left:
            raise StillActive(
                f"{trouble}; the fault could not be undone: {left.message}",
                remedy="Run `lab fault heal --all` to heal it, or `lab restore` to restore "
                "the lab.",
            ) from trouble
        raise
