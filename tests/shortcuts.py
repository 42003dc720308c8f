"""What makes tests shorter and changes nothing that they test."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import Distribution, EntryPoints, entry_points
from pathlib import Path
from typing import Any, TypeVar

import pytest
import typer.main
import typer.testing

from edge_lab.core import plugins, ports
from edge_lab.core.deadline import Deadline
from edge_lab.core.yamlmodel import Problem, YamlModel
from edge_lab.data import LABS
from edge_lab.topology import Topology

T = TypeVar("T")

POLL_SECONDS = 0.01
"""The most that a test waits between two looks: nobody is spared by waiting longer."""


KEYS = "KEYS_OF_TEST_RUN"
"""Names the folder of keys that are made once in a run: see `tests.keys`."""


@contextmanager
def keys_shared_in(folder: Path) -> Iterator[None]:
    """For all processes of a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEYS, str(folder))
        yield


@contextmanager
def ports_of_worker(worker: int, workers: int) -> Iterator[None]:
    """`choose_ports` takes those of one of so many workers, numbered from 0.

    Two that choose at the same time would at times choose the same: none is bound yet.
    """
    each = (ports.LAST - ports.FIRST) // workers
    first = ports.FIRST + worker * each
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "FIRST", first)
        patch.setattr(ports, "LAST", first + each)
        yield


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
def topologies_read_once() -> Iterator[None]:
    """Those that are shipped: frozen, and needed by most tests. What a lab of it is checked for
    besides is checked each time.
    """
    shipped = LABS.resolve()
    as_shipped = YamlModel.parse

    @functools.lru_cache(maxsize=64)
    def known(model: YamlModel[Any], text: str, file: str, put: frozenset[Any]) -> Any:
        return as_shipped(model, text, file, put=dict(put))

    def parse(
        self: YamlModel[Any],
        text: str,
        file: Path | str = "",
        *,
        put: Mapping[str, Any] | None = None,
        check: Callable[[Any], None] = lambda read: None,
    ) -> Any:
        if self.form is Topology and file and Path(file).resolve().parent == shipped:
            read = known(self, text, str(file), frozenset((put or {}).items()))
            with contextlib.suppress(Problem):
                check(read)
                return read
        return as_shipped(self, text, file, put=put, check=check)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(YamlModel, "parse", parse)
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
