"""What the framework's own tests share: a cache of their own, so that none touches the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.topology import Topology, load_topology

LABS = Path(__file__).resolve().parent.parent / "labs"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test. Its path is short: sockets live below it."""
    cache = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("EDGE_LAB", raising=False)
    monkeypatch.delenv("LAB_MIRROR", raising=False)
    return cache


@pytest.fixture(scope="session")
def default_topology() -> Topology:
    """The topology that the project ships as its default."""
    return load_topology(LABS / "default.yaml")
