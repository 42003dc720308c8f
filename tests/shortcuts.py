"""What makes tests shorter and changes nothing that they test."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, EntryPoints, entry_points
from pathlib import Path
from typing import Any, TypeVar

import pytest
import typer.main
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
def installed_read_once() -> Iterator[None]:
    """What is installed stays as it is while tests run, and each nested run of pytest reads it.

    What a test puts on the path is read anew each time.
    """
    installed = frozenset(sys.path)
    known = functools.cache(lambda group: entry_points(group=group))

    def find(*, group: str) -> EntryPoints:
        return known(group) if installed.issuperset(sys.path) else entry_points(group=group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "entry_points", find)
        for name in ("entry_points", "files"):
            read = getattr(Distribution, name).fget
            patch.setattr(Distribution, name, property(_remembered(read, installed)))
        yield


def _remembered(
    read: Callable[[Distribution], Any], installed: frozenset[str]
) -> Callable[[Distribution], Any]:
    known: dict[Path, Any] = {}

    def get(distribution: Distribution) -> Any:
        path: Path | None = getattr(distribution, "_path", None)
        if path is None or str(path.parent) not in installed:
            return read(distribution)
        if path not in known:
            known[path] = read(distribution)
        return known[path]

    return get


@contextmanager
def commands_built_once() -> Iterator[None]:
    """`CliRunner.invoke` makes the commands of an app anew each time: a fiftieth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield
