"""labs/plant-day.yaml on each stack, with artifacts and packages that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.addons import get_platform
from edge_lab.images import DebianModules, DebianProgram
from edge_lab.topology import Arch, Topology
from tests.addons.cache.conftest import elf
from tests.addons.packages import made_up_packages, provisions_of
from tests.addons.services.conftest import context_of, platform_of
from tests.plantday.madeup import TOPOLOGY

__all__ = ["context_of", "platform_of", "provisions_of"]


@pytest.fixture(scope="session")
def topology() -> Topology:
    return TOPOLOGY


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Arch, Path]:
    """All programs and modules that the add-ons bring."""
    root = tmp_path_factory.mktemp("packages")
    parts = get_platform(TOPOLOGY.stacks[0], TOPOLOGY).programs(TOPOLOGY)
    python = DebianProgram("python3.13-minimal", "usr/bin/python3.13")
    programs = [part for part in parts if isinstance(part, DebianProgram)]
    found = made_up_packages(root, [*programs, python])
    for part in parts:
        if isinstance(part, DebianModules):
            for name in part.modules:
                folder = root / "usr/lib/python3/dist-packages" / name
                folder.mkdir(parents=True)
                (folder / "__init__.py").write_text("")
                (folder / "compiled.so").write_bytes(elf(b"/lib/ld-made-up.so.1"))
    return found
