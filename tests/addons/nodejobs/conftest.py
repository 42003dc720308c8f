"""labs/edge-node-jobs.yaml on each stack, with artifacts and programs that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.cache.names import NGINX, REGISTRY
from edge_lab.data import LABS
from edge_lab.topology import Arch, Topology
from tests.addons.packages import made_up_packages, provisions_of
from tests.addons.services.conftest import context_of, platform_of

__all__ = ["context_of", "platform_of", "provisions_of"]


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(LABS / "edge-node-jobs.yaml")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Arch, Path]:
    return made_up_packages(tmp_path_factory.mktemp("packages"), (NGINX, REGISTRY))
