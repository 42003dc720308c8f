"""What makes tests shorter and changes nothing that they test."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoints, entry_points
from typing import TypeVar

import pytest
import typer.testing

from edge_lab.core import plugins
from edge_lab.core.deadline import Deadline

T = TypeVar("T")

POLL_SECONDS = 0.01
"""The most that a test waits between two looks: nobody is spared by waiting longer."""


@contextmanager
def short_polls() -> Iterator[None]:
    """`Deadline.wait_for` looks at least every POLL_SECONDS. How long it waits stays as it is."""
    as_shipped = Deadline.wait_for

    def wait_for(
        self: Deadline,
        what: str,
        probe: Callable[[], T | None],
        *,
        every: float = POLL_SECONDS,
        transient: tuple[type[Exception], ...] = (),
        watch: Callable[[], None] = lambda: None,
    ) -> T:
        every = min(every, POLL_SECONDS)
        return as_shipped(self, what, probe, every=every, transient=transient, watch=watch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deadline, "wait_for", wait_for)
        yield


@contextmanager
def entry_points_read_once() -> Iterator[None]:
    """Those of what is installed, which stays as it is while tests run.

    Where a test has added a folder to `sys.path`, all are looked for again.
    """
    installed = frozenset(sys.path)
    known = functools.cache(lambda group: entry_points(group=group))

    def find(*, group: str) -> EntryPoints:
        return known(group) if installed.issuperset(sys.path) else entry_points(group=group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "entry_points", find)
        yield


@contextmanager
def commands_built_once() -> Iterator[None]:
    """`CliRunner.invoke` makes the commands of an app anew each time: a fiftieth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.testing._get_command))
        yield
