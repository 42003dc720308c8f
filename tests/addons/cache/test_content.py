"""What the registry has, as docker-registry keeps it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from edge_lab.addons.cache import content
from edge_lab.addons.cache.content import DataSet, LabImage, registry_files, write_registry
from edge_lab.topology import Arch

IMAGES = (LabImage("one"), LabImage("two"))


def programs(folder: Path) -> dict[Arch, Path]:
    found = {}
    for arch in (Arch.AARCH64, Arch.RISCV64):
        found[arch] = folder / arch.value
        found[arch].write_bytes(f"a program for {arch.value}".encode())
    return found


def document(blobs: dict[str, bytes], digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(blobs[digest])
    return found


def test_each_blob_is_what_its_name_says_and_each_link_leads_to_one(tmp_path: Path) -> None:
    store = tmp_path / "store"
    indexes = write_registry(store, IMAGES, programs(tmp_path), tmp_path / "blobs")
    base = store / "docker/registry/v2"
    blobs = {
        f"sha256:{file.parent.name}": file.read_bytes() for file in (base / "blobs").rglob("data")
    }
    for digest, blob in blobs.items():
        assert digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
    for link in base.rglob("link"):
        assert link.read_text() in blobs
    own = set()
    for name, index in indexes.items():
        repository = base / "repositories" / name
        assert (repository / "_manifests/tags/1/current/link").read_text() == index
        for entry in document(blobs, index)["manifests"]:
            manifest = document(blobs, entry["digest"])
            parts = [manifest["config"], *manifest["layers"]]
            for part in parts:
                value = part["digest"].removeprefix("sha256:")
                assert (repository / "_layers/sha256" / value / "link").is_file()
                assert part["size"] == len(blobs[part["digest"]])
            own.add((name, manifest["layers"][-1]["digest"]))
    # The program's layer is shared, each image's own is not, and is the same on all architectures.
    assert len(own) == len(IMAGES)


def test_equal_programs_make_equal_content_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(content, "IMAGES", IMAGES)
    monkeypatch.setattr(content, "DATA_SETS", (DataSet("a.bin", 1),))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = programs(tmp_path)
    first = registry_files(given)
    assert registry_files(given) == first
    given[Arch.RISCV64].write_bytes(b"another program")
    assert registry_files(given) != first
    (data,) = [file for file in first if file.path.startswith("data/")]
    assert data.sha256 == DataSet("a.bin", 1).sha256
    assert not any(file.executable for file in first)


def test_the_own_layer_is_as_long_as_it_says(tmp_path: Path) -> None:
    image = LabImage("one")
    write_registry(tmp_path / "store", (image,), programs(tmp_path), tmp_path / "blobs")
    sizes = {file.stat().st_size for file in (tmp_path / "store").rglob("data")}
    assert image.bytes in sizes
