"""The lab of the cache, on each stack and with either kind, with artifacts that are made up."""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons import get_platform, load_topology
from edge_lab.addons.cache import content
from edge_lab.addons.cache.names import NGINX, REGISTRY
from edge_lab.artifacts import Artifact
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import StackContext
from edge_lab.topology import Arch, Topology
from tests.conftest import LABS
from tests.keys import make_keys
from tests.stacks.provisions import FakeImage

ProvisionsOf = Callable[..., dict[str, Provision]]


@pytest.fixture(scope="session")
def lab() -> Topology:
    return load_topology(LABS / "edge-cache.yaml")


@pytest.fixture(scope="session")
def provisions_of(
    lab: Topology, packages: dict[Arch, Path], tmp_path_factory: pytest.TempPathFactory
) -> ProvisionsOf:
    """By node, what the lab gives it with these add-ons beside the workload."""
    folder = tmp_path_factory.mktemp("cache")
    file = folder / "artifact"
    file.write_bytes(b"a program")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    image: Any = FakeImage(dict.fromkeys(Arch, file))

    @functools.cache
    def make(*addons: str) -> dict[str, Provision]:
        topology = lab.model_copy(update={"addons": ("workload", *addons)})
        platform = get_platform("kubernetes+openyurt", topology)
        pki = make_keys(folder / "-".join(addons), topology)
        artifacts = {
            want: Artifact(want.component, "v1", want.arch, file, digest, "made up")
            for want in platform.wants(topology)
        }
        given = StackContext(topology, artifacts, image, pki, 26443, packages)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(content, "MIB", 1024)
            patch.setattr(content, "cache_home", lambda: folder)
            return platform.provision(given)

    return make


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Arch, Path]:
    """Programs that need their loader and no library."""
    root = tmp_path_factory.mktemp("packages")
    for path in (NGINX.path, REGISTRY.path, "usr/lib/ld-made-up.so.1"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(elf(b"/lib/ld-made-up.so.1"))
    return dict.fromkeys(Arch, root)


def elf(interpreter: bytes) -> bytes:
    """An ELF program of one segment, which names its loader."""
    name = interpreter + b"\0"
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1)
    return header + segment + name
