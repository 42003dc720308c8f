"""The lab of the cache, on each stack and with either kind, with artifacts that are made up."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons import AddOnContext, get_platform, load_topology
from edge_lab.addons.cache import content
from edge_lab.addons.cache.names import CACHE, NGINX, REGISTRY
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


@pytest.fixture
def provisions_of(
    lab: Topology,
    tmp_path: Path,
    packages: dict[Arch, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Provision]]:
    """By node, what the lab gives it with these add-ons beside the workload."""
    monkeypatch.setattr(content, "MIB", 1024)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "artifact"
    file.write_bytes(b"a program")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    image: Any = FakeImage(dict.fromkeys(Arch, file))

    def make(*addons: str, stack: str = "kubernetes+openyurt") -> dict[str, Provision]:
        topology = lab.model_copy(update={"addons": ("workload", *(addons or (CACHE,)))})
        platform = get_platform(stack, topology)
        folder = Path(tempfile.mkdtemp(dir=tmp_path)) / "keys"
        pki = make_keys(folder, topology)
        artifacts = {
            want: Artifact(want.component, "v1", want.arch, file, digest, "made up")
            for want in platform.wants(topology)
        }
        given = StackContext(topology, artifacts, image, pki, 26443, packages)
        assert AddOnContext(given, platform.stack).topology == topology
        return platform.provision(given)

    return make


@pytest.fixture
def packages(tmp_path: Path) -> dict[Arch, Path]:
    """Programs that need their loader and no library."""
    root = tmp_path / "packages"
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
