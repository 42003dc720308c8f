"""The versions as OCI artifacts in the storage of the registry of the add-on `cache`.

An artifact is a manifest with two files, the model and its scaling, each with its name in the
annotation org.opencontainers.image.title, as `oras push` makes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge_lab.addons.cache.content import STORAGE, made_once, payload_files
from edge_lab.addons.cache.storage import Repository, blob_place, put_blobs
from edge_lab.addons.models.names import REPOSITORY
from edge_lab.addons.models.onnxfile import HIDDEN, onnx_file
from edge_lab.addons.models.versions import INPUTS, ModelVersion, versions_for
from edge_lab.artifacts.imagelayout import MANIFEST
from edge_lab.provisioning.provision import PayloadFile

KIND = "models"
FORMAT = 1
"""To be increased when the same versions make different content."""
DIGESTS = "digests.json"
ARTIFACT = "application/vnd.edge-lab.model.v1"
CONFIG = "application/vnd.oci.empty.v1+json"
ONNX, JSON = "application/onnx", "application/json"
MODEL_FILE, SCALING_FILE = "model.onnx", "scaling.json"


@dataclass(frozen=True)
class ModelContent:
    """What the registry serves."""

    folder: Path
    digests: Mapping[str, str]
    """By tag, sha256:… of the artifact's manifest."""
    versions: Mapping[str, ModelVersion]

    @property
    def files(self) -> tuple[PayloadFile, ...]:
        """Of the payload of the node with the registry."""
        found = payload_files(self.folder)
        return tuple(file for file in found if file.path != DIGESTS)

    def parts(self, tag: str) -> dict[str, int]:
        """Sizes of a version's files in bytes, by digest."""
        manifest = json.loads(blob_place(self.folder / STORAGE, self.digests[tag]).read_bytes())
        return {str(layer["digest"]): int(layer["size"]) for layer in manifest["layers"]}

    def reference(self, tag: str) -> dict[str, str]:
        """The version in the spec of an EdgeModel."""
        return {"tag": tag, "digest": self.digests[tag]}


@cache
def model_content(period_ms: int) -> ModelContent:
    """The versions for a device with that period; from the cache, or made in a few seconds.

    Raises:
        LabError: the package onnx is not installed.
    """
    versions = versions_for(period_ms / 1000)
    whole = hashlib.sha256(f"{FORMAT} {HIDDEN} {sorted(versions.items())}".encode()).hexdigest()

    def make(draft: Path, scratch: Path) -> None:
        digests = write_models(draft / STORAGE, versions)
        (draft / DIGESTS).write_text(json.dumps(digests), encoding="utf-8")

    target = made_once(KIND, whole, "make the models", make)
    digests = json.loads((target / DIGESTS).read_text(encoding="utf-8"))
    return ModelContent(target, digests, versions)


def write_models(
    storage: Path, versions: Mapping[str, ModelVersion], hidden: int = HIDDEN
) -> dict[str, str]:
    """The storage of a registry, in a new folder; returns the digests by tag."""
    repository = Repository(storage, REPOSITORY)
    blobs = storage / "new"
    blobs.mkdir(parents=True)
    digests: dict[str, str] = {}
    corrupt: list[str] = []
    empty = _blob(blobs, CONFIG, b"{}")
    for tag, version in versions.items():
        model = onnx_file(version, hidden) if version.loadable else b"not a model of any kind"
        layers = [
            _blob(blobs, ONNX, model, MODEL_FILE),
            _blob(blobs, JSON, scaling_file(version), SCALING_FILE),
        ]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT,
            "config": empty,
            "layers": layers,
        }
        found = _blob(blobs, MANIFEST, json.dumps(manifest, sort_keys=True).encode())
        digests[tag] = str(found["digest"])
        for part in (empty, *layers):
            repository.add_part(str(part["digest"]))
        repository.add_manifest(digests[tag])
        repository.tag(tag, digests[tag])
        if version.corrupt:
            corrupt.append(str(layers[0]["digest"]))
    put_blobs(storage, sorted(blobs.iterdir()))
    blobs.rmdir()
    for digest in corrupt:
        _spoil(blob_place(storage, digest))
    return digests


def scaling_file(version: ModelVersion) -> bytes:
    content = {
        "inputs": list(INPUTS),
        "offsets": version.offsets,
        "scales": version.scales,
        "offset": version.offset,
        "scale": version.scale,
    }
    return json.dumps(content, sort_keys=True).encode()


def _blob(folder: Path, media_type: str, content: bytes, title: str = "") -> dict[str, Any]:
    value = hashlib.sha256(content).hexdigest()
    (folder / value).write_bytes(content)
    found: dict[str, Any] = {
        "mediaType": media_type,
        "digest": f"sha256:{value}",
        "size": len(content),
    }
    if title:
        found["annotations"] = {"org.opencontainers.image.title": title}
    return found


def _spoil(path: Path) -> None:
    """Changes one byte in the middle, and not the length."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
