"""A cache with an artifact, a root disk with holes, payload disks and a checkpoint on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_lab.artifacts.cache import ArtifactCache, Origin
from edge_lab.artifacts.model import Component
from edge_lab.core.home import RunDir, cache_home
from edge_lab.topology import Arch, Topology
from tests.test_lifecycle import state_of

KEY = "c0ffee"
DIGEST = "0123456789abcdef" * 4
DISK_BYTES = 8 << 20


@pytest.fixture
def filled(default_topology: Topology) -> Path:
    home = cache_home()
    add_artifact(home, "kubelet")
    folder = home / "images" / f"x86_64-{DIGEST[:16]}"
    folder.mkdir(parents=True)
    with (folder / "disk.raw").open("wb") as disk:
        for offset in (0, 3 << 20, DISK_BYTES - 4096):
            disk.seek(offset)
            disk.write(b"data" * 1024)
    for name in ("kernel", "initrd", "busybox"):
        (folder / name).write_text(name)
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    record: dict[str, object] = {"arch": "x86_64", "digest": DIGEST, "versions": {}}
    record |= {"sizes": files, "packages": [], "mirror": "", "seconds": 1.0}
    (folder / "image.json").write_text(json.dumps(record))
    (home / "payloads").mkdir()
    for name in ("used", "unused"):
        (home / "payloads" / f"{name}.ext4").write_bytes(name.encode() * 1000)
    state = state_of(default_topology).model_copy(
        update={
            "checkpoint": KEY,
            "image_digests": {"x86_64": DIGEST},
            "payloads": {"server": home / "payloads" / "used.ext4"},
            "kubectl": next(home.glob("artifacts/kubelet/*/kubelet")),
        }
    )
    checkpoint = home / "checkpoints" / KEY
    for name in ("keys", "devices/boiler"):
        (checkpoint / name).mkdir(parents=True, mode=0o700)
    (checkpoint / "keys" / "client").touch(mode=0o600)
    (checkpoint / "state.json").write_text(state.model_dump_json())
    return home


def add_artifact(home: Path, name: str, arch: Arch = Arch.X86_64) -> Path:
    cache = ArtifactCache(home / "artifacts")
    with cache.scratch() as scratch:
        file = scratch / name
        file.write_bytes(name.encode() * 10_000)
        return cache.put(file, Component(name, "v1.0+x"), arch, "f" * 64, Origin("test")).path


def run_as_the_checkpoint(home: Path, topology: Topology) -> RunDir:
    """The state file of a lab that has come from the checkpoint."""
    run = RunDir(topology.name)
    run.make()
    run.state.write_text((home / "checkpoints" / KEY / "state.json").read_text())
    return run


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Files below a folder, but for locks: mode and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }
