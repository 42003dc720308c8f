"""Whatever a manifest or an archive holds, it is understood or refused, and writes nothing."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.upkeep.importing import import_archive
from edge_lab.upkeep.manifest import CARRIED, Manifest, read_manifest
from tests.budget import examples
from tests.upkeep.conftest import tree

ARCHIVE = Path("cache.tar")
_PARTS = st.sampled_from(["a", "b", "..", ".", "", "/", "kubelet", "v1", "\0", "a\n", "-x", "é"])
_PATHS = st.one_of(st.text(max_size=12), st.lists(_PARTS, max_size=4).map("/".join))
_FILES = st.fixed_dictionaries(
    {
        "path": _PATHS,
        "size": st.integers(-1, 9),
        "sha256": st.sampled_from(["0" * 64, "F" * 64, ""]),
        "mode": st.integers(-1, 0o7777),
        "mtime_ns": st.integers(),
    }
)
_ENTRIES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([*CARRIED, "labs", "other", ""]),
        "name": _PATHS,
        "folders": st.dictionaries(_PATHS, st.integers(0, 0o777), max_size=3),
        "files": st.lists(_FILES, max_size=3),
    }
)
_MANIFESTS = st.fixed_dictionaries(
    {
        "format": st.sampled_from([1, 1, 1, 2, "1", True]),
        "made_by": st.text(max_size=5),
        "cache": st.text(max_size=5),
        "entries": st.lists(_ENTRIES, max_size=3),
    }
)


def _file(path: str) -> dict[str, Any]:
    return {"path": path, "size": 1, "sha256": "0" * 64, "mode": 0o644, "mtime_ns": 0}


def _manifest(name: str, folders: dict[str, int], *paths: str) -> dict[str, Any]:
    files = [_file(path) for path in paths]
    entry = {"kind": "root-disks", "name": name, "folders": folders, "files": files}
    return {"format": 1, "made_by": "0", "cache": "/", "entries": [entry]}


def _as_json(data: object) -> bytes:
    return json.dumps(data).encode()


@settings(max_examples=examples(200))
@given(_MANIFESTS)
@example(_manifest("a", {".": 0o755}, "f"))
@example(_manifest("a", {}, "."))
@example(_manifest("a", {".": 0o755, "..": 0o755}, "../f"))
@example(_manifest("..", {".": 0o755}, "f"))
@example(_manifest("a", {".": 0o755}, "f", "f/g"))
@example(_manifest("a", {".": 0o755, "f": 0o755}, "f"))
def test_a_manifest_names_nothing_outside_the_places_of_its_entries(data: dict[str, Any]) -> None:
    found = _read(json.dumps(data).encode())
    if found is None:
        return
    for entry, file in found.files():
        place = PurePosixPath(CARRIED[entry.kind].places[0])
        path = PurePosixPath(entry.path_of(file))
        assert ".." not in path.parts
        assert not path.is_absolute()
        assert place in path.parents
        assert PurePosixPath(entry.place) in (path, *path.parents)
    paths = [entry.path_of(file) for entry, file in found.files()]
    assert len(set(paths)) == len(paths)


def test_the_plain_ones_are_understood() -> None:
    """Else the test above would say nothing."""
    assert _read(json.dumps(_manifest("a", {".": 0o755}, "f")).encode()) is not None
    assert _read(json.dumps(_manifest("a", {}, ".")).encode()) is not None


@given(st.one_of(st.binary(), st.recursive(st.none() | st.integers(), st.lists).map(_as_json)))
@example(b"[" * 100_000)
@example(b'{"format": 1, "made_by": "", "cache": "", "entries": []}')
@settings(max_examples=examples(60))
def test_any_bytes_are_a_manifest_or_are_refused(content: bytes) -> None:
    _read(content)


def _read(content: bytes) -> Manifest | None:
    try:
        return read_manifest(content, ARCHIVE)
    except InputError:
        return None


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2047),
    st.integers(0, 255),
    st.sampled_from([b"1\n0\n8\n", b"2\n0\n2\n1\n1\n", b"2\n4\n1\n-9\n1\n", b"1\n99\n1\n", b"x"]),
)
def test_any_byte_of_an_archive_may_be_another_one(
    own_cache: Path, where: int, value: int, pieces: bytes
) -> None:
    data = bytearray(_archive(pieces))
    data[where % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "cache.tar"
        archive.write_bytes(data)
        cache = own_cache / "edge-lab"
        cache.mkdir(exist_ok=True)
        try:
            import_archive(cache, archive, Deadline.after(60))
        except (InputError, LabError):
            assert tree(cache) == {}


def _archive(pieces: bytes) -> bytes:
    """With a sparse file, whose map is `pieces`."""
    content = json.dumps(_manifest("a", {".": 0o755}, "f")).encode()
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        head = tarfile.TarInfo("manifest.json")
        head.size = len(content)
        tar.addfile(head, io.BytesIO(content))
        body = pieces.ljust(512, b"\0") + b"12345678"
        file = tarfile.TarInfo("images/a/f")
        file.size = len(body)
        file.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "images/a/f",
            "GNU.sparse.realsize": "1",
        }
        tar.addfile(file, io.BytesIO(body))
    return sink.getvalue()
