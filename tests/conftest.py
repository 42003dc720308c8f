"""What the framework's own tests share: a cache of their own, so that none touches the user's."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from edge_lab.core import shortpath
from edge_lab.topology import Topology, load_topology
from tests.budget import register_profiles
from tests.shortcuts import (
    commands_built_once,
    installed_read_once,
    keys_shared_in,
    ports_of_worker,
    short_polls,
    topologies_read_once,
)
from tests.spread import long_files_first

ROOT = Path(__file__).resolve().parent.parent
LABS = ROOT / "labs"

# Under nohup, or in the background of a shell, both are ignored, and children inherit that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Scripts that tests start as processes import from the packages tests and images.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))
)


register_profiles()

# What is imported stays: looking through it for garbage again and again takes a tenth of the time.
gc.set_threshold(100_000, 50, 50)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Whoever leaves a test out of what runs before each commit says why.

    What is left in is spread over the workers, if there are any.
    """
    for item in items:
        for mark in (*item.iter_markers("slow"), *item.iter_markers("native")):
            if not mark.kwargs.get("reason"):
                raise pytest.UsageError(f"{item.nodeid}: write `{mark.name}(reason=...)`")
    yield
    if hasattr(config, "workerinput"):  # of pytest-xdist
        long_files_first(items)


@pytest.fixture(scope="session", autouse=True)
def _shortcuts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    base = tmp_path_factory.getbasetemp()
    worker, workers = 0, 1
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # that of the run
        worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    with (
        keys_shared_in(base),
        ports_of_worker(worker, workers),
        short_polls(),
        installed_read_once(),
        commands_built_once(),
        topologies_read_once(),
    ):
        yield


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for each test. Its path is short, since sockets live below it."""
    with tempfile.TemporaryDirectory(prefix="el") as cache:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        monkeypatch.delenv("EDGE_LAB", raising=False)
        monkeypatch.delenv("LAB_MIRROR", raising=False)
        monkeypatch.setattr(shortpath, "ROOM", Path(cache))
        yield Path(cache)
        with contextlib.suppress(OSError):
            os.rmdir(cache)  # noqa: PTH106 - most are empty, and to look through one takes longer


@pytest.fixture(scope="session")
def default_topology() -> Topology:
    """The topology that the project ships as its default."""
    return load_topology(LABS / "default.yaml")
