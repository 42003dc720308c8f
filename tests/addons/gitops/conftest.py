"""labs/edge-gitops.yaml on each stack, with artifacts and programs that are made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.addons import AddOnContext, load_topology
from edge_lab.addons.gitops.names import PROGRAMS
from edge_lab.data import LABS
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Arch, Topology
from tests.addons.cache.conftest import elf
from tests.addons.services.conftest import ContextOf, PlatformOf, context_of, platform_of

__all__ = ["context_of", "platform_of"]


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(LABS / "edge-gitops.yaml")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Arch, Path]:
    """Programs that need their loader and no library."""
    root = tmp_path_factory.mktemp("packages")
    for path in (*(program.path for program in PROGRAMS), "usr/lib/ld-made-up.so.1"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(elf(b"/lib/ld-made-up.so.1"))
    return dict.fromkeys(Arch, root)


@pytest.fixture
def provisions_of(
    platform_of: PlatformOf, context_of: ContextOf, packages: dict[Arch, Path]
) -> Callable[[str], dict[str, Provision]]:
    """By node, what a stack of that name gives it, the add-on's part among it."""

    def make(stack: str) -> dict[str, Provision]:
        platform = platform_of(stack)
        context: AddOnContext = context_of(platform)
        return platform.provision(replace(context.given, packages=packages))

    return make
