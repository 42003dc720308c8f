"""Whatever is in an image layout: it is taken as a whole, or refused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.artifacts.imagelayout import INDEX, MANIFEST, ImageLayout, NoImage, open_layout
from edge_lab.topology import Arch
from tests.plugins.site import meter_archive

KEYS = ("manifests", "mediaType", "digest", "size", "platform", "config", "layers", "os")
VALUES = st.none() | st.booleans() | st.integers() | st.sampled_from(("linux", INDEX, MANIFEST, ""))
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


def layout_of(files: dict[str, bytes], folder: Path) -> Path:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@given(index=JSON, manifest=JSON, media_type=st.sampled_from((INDEX, MANIFEST)))
def test_any_documents_are_an_image_or_none(
    tmp_path_factory: Any, index: Any, manifest: Any, media_type: str
) -> None:
    document = json.dumps(manifest).encode()
    descriptor = {"mediaType": media_type, "digest": digest_of(document), "platform": index}
    for top in (index, {"manifests": index}, {"manifests": [descriptor]}):
        files = {
            "index.json": json.dumps(top).encode(),
            f"blobs/sha256/{digest_of(document)[7:]}": document,
        }
        folder = layout_of(files, tmp_path_factory.mktemp("layout"))
        with contextlib.suppress(NoImage), open_layout(folder) as layout:
            layout.parts(layout.manifest(Arch.X86_64))


def test_a_good_one_is_taken_with_all_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "meter.tar"
    image = meter_archive(file)
    with open_layout(file) as layout:
        for arch in Arch:
            manifest = layout.manifest(arch, f"sha256:{image}")
            assert manifest["platform"]["architecture"] == arch.go
            parts = layout.parts(manifest)
            assert parts[-1] == manifest["digest"]
            for digest in parts:
                sink = io.BytesIO()
                assert layout.copy(digest, sink) == len(sink.getvalue())
                assert digest_of(sink.getvalue()) == digest


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"mediaType": "application/vnd.in-toto+json"}, id="an attestation alone"),
        pytest.param({"mediaType": INDEX, "digest": "md5:0"}, id="another algorithm"),
    ],
)
def test_what_is_no_image_is_none(manifest: dict[str, Any]) -> None:
    top = json.dumps({"manifests": [manifest]}).encode()
    layout = ImageLayout({"index.json": io.BytesIO(top)}.get)
    with pytest.raises(NoImage):
        layout.manifest(Arch.X86_64)
