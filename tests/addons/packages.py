"""Debian packages whose programs are made up, for add-ons that bring programs in payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.addons import AddOnContext
from edge_lab.images.programs import DebianProgram
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Arch
from tests.addons.cache.conftest import elf
from tests.addons.services.conftest import ContextOf, PlatformOf

LOADER = "usr/lib/ld-made-up.so.1"


def made_up_packages(root: Path, programs: Iterable[DebianProgram]) -> dict[Arch, Path]:
    """Below `root`, programs that need their loader and no library."""
    for path in (*(program.path for program in programs), LOADER):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(elf(b"/lib/ld-made-up.so.1"))
    return dict.fromkeys(Arch, root)


@pytest.fixture
def provisions_of(
    platform_of: PlatformOf, context_of: ContextOf, packages: dict[Arch, Path]
) -> Callable[[str], dict[str, Provision]]:
    """By node, what a stack of that name gives it, the add-ons' part among it."""

    def make(stack: str) -> dict[str, Provision]:
        platform = platform_of(stack)
        context: AddOnContext = context_of(platform)
        return platform.provision(replace(context.given, packages=packages))

    return make
