"""A fault that fails half-way is undone; if that fails too, the book must say that it is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from edge_lab.core.errors import EdgeLabError, InputError, LabError


class StillInForce(LabError):
    """A fault could not be proved, and could not be undone either."""


@contextlib.contextmanager
def undoing(undo: Callable[[], object]) -> Iterator[None]:
    """If the block fails, `undo` is done; an InputError says that nothing was done yet.

    Raises:
        StillInForce: `undo` failed too.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as trouble:
        try:
            undo()
        except EdgeLabError as left:
            raise StillInForce(
                f"{trouble}; the fault could not be undone: {left.message}",
                remedy="Run `lab fault heal --all` to heal it, or `lab restore` to restore "
                "the lab.",
            ) from trouble
        raise
