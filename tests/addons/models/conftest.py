"""labs/edge-models.yaml on each stack, with artifacts and packages that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.cache.names import NGINX, REGISTRY
from edge_lab.addons.models.names import RUNTIME
from edge_lab.data import LABS
from edge_lab.topology import Arch, Topology
from tests.addons.cache.conftest import elf
from tests.addons.packages import made_up_packages, provisions_of
from tests.addons.services.conftest import context_of, platform_of

__all__ = ["context_of", "platform_of", "provisions_of"]


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(LABS / "edge-models.yaml")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Arch, Path]:
    root = tmp_path_factory.mktemp("packages")
    found = made_up_packages(root, (NGINX, REGISTRY))
    modules = root / "usr/lib/python3/dist-packages"
    for name in RUNTIME.modules:
        (modules / name / "tests").mkdir(parents=True)
        (modules / name / "__init__.py").write_text("")
        (modules / name / "tests" / "test_it.py").write_text("")
    (modules / "onnxruntime/compiled.so").write_bytes(elf(b"/lib/ld-made-up.so.1"))
    (root / "usr/bin").mkdir(exist_ok=True)
    (root / "usr/bin/python3.13").write_bytes(elf(b"/lib/ld-made-up.so.1"))
    return found
