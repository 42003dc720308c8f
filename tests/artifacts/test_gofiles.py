"""Files of a Go module, joined into one and verified by go.sum."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.artifacts import (
    ArtifactStore,
    Availability,
    CannotObtain,
    Component,
    GoFiles,
    Want,
    host_arch,
)
from edge_lab.artifacts.gofiles import archive_sum, join_files
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from tests.artifacts.conftest import FakeGo

CRDS = Want("crds", host_arch())
SOURCE = GoFiles("crds", "example.org/Edge", ("crds/b/*.yaml", "crds/a/*.yaml"))
CATALOG = {"crds": Component("crds", "v1.2.3", files=SOURCE, mirror=("{name}-{version}.yaml",))}
TOP = "example.org/Edge@v1.2.3"
FILES = {
    "go.mod": "module example.org/Edge\n",
    "crds/a/2.yaml": "---\nname: a2\n",
    "crds/a/1.yaml": "name: a1",
    "crds/a/deep/3.yml": "name: not wanted",
    "crds/b/1.yaml": "\n---\n\nname: b1\n---\nname: b1 too\n\n",
    "other/1.yaml": "name: not wanted",
}


def pack(file: Path, files: dict[str, str]) -> str:
    """Writes a module's archive; returns the digest that go.sum has for it."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{TOP}/{name}", text)
    with zipfile.ZipFile(file) as archive:
        return archive_sum(archive)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "v1.2.3.zip"


@pytest.fixture
def module(recipes: Path, archive: Path, fake_go: FakeGo) -> Path:
    """images/go/crds, which pins what `go mod download` will give."""
    folder = recipes / "go/crds"
    folder.mkdir()
    (folder / "go.mod").write_text("module x\n\ngo 1.25.0\n\nrequire example.org/Edge v1.2.3\n")
    (folder / "go.sum").write_text(
        f"example.org/Edge v1.2.3 {pack(archive, FILES)}\nexample.org/Edge v1.2.3/go.mod h1:x=\n"
    )
    fake_go.set("ZIP", str(archive))
    return folder


@pytest.fixture
def store(cache: Path, recipes: Path, module: Path) -> ArtifactStore:
    store = ArtifactStore(cache, catalog=CATALOG, recipes=recipes)
    store.update_lock()
    return store


def refused(store: ArtifactStore) -> str:
    with pytest.raises(CannotObtain) as caught:
        store.resolve([CRDS], Deadline.after(60))
    return str(caught.value)


def test_the_digest_is_the_one_that_go_makes(tmp_path: Path) -> None:
    top = "example.org/edge@v1.2.3"
    files = {
        "go.mod": "module example.org/edge\n",
        "crds/b.yaml": "name: b\n",
        "crds/a.yaml": "name: a\n",
    }
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{top}/{name}", text)
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        # What `go mod download -json` says of this archive.
        assert archive_sum(archive) == "h1:veV86xDhf27CYz+4emB0BcGve9z9Lfj2jha8OrYTS4k="


def test_the_files_are_joined_in_the_order_of_the_catalogue(
    store: ArtifactStore, fake_go: FakeGo
) -> None:
    artifact = store.resolve([CRDS], Deadline.after(60))[CRDS]
    text = artifact.path.read_text()
    names = [document["name"] for document in yaml.safe_load_all(text)]
    assert names == ["b1", "b1 too", "a1", "a2"]
    assert "# crds/b/1.yaml" in text
    assert artifact.source == "Go modules: example.org/Edge@v1.2.3"
    assert fake_go.calls == ["mod download -json example.org/Edge@v1.2.3"]


def test_a_second_time_nothing_is_downloaded(store: ArtifactStore, fake_go: FakeGo) -> None:
    store.resolve([CRDS], Deadline.after(60))
    store.resolve([CRDS], Deadline.after(60))
    assert len(fake_go.calls) == 1
    (row,) = store.state([CRDS])
    assert row.state is Availability.CACHED


def test_a_module_that_go_sum_does_not_pin_is_never_asked_for(
    store: ArtifactStore, module: Path, fake_go: FakeGo
) -> None:
    (module / "go.sum").write_text("example.org/Edge v1.2.3/go.mod h1:x=\n")
    store.update_lock()
    assert "images/go/crds/go.sum does not pin example.org/Edge v1.2.3" in refused(store)
    assert fake_go.calls == []


def test_an_archive_that_is_not_what_go_sum_pins_is_refused(
    store: ArtifactStore, archive: Path, cache: Path
) -> None:
    pack(archive, {**FILES, "crds/a/1.yaml": "name: changed"})
    assert f"{archive} is not what go.sum pins" in refused(store)
    assert not list((cache / "artifacts").rglob("artifact.json"))


def test_a_damaged_archive_is_refused(store: ArtifactStore, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:100])
    assert f"{archive} cannot be read" in refused(store)


def test_a_folder_that_the_module_lacks_is_named(
    store: ArtifactStore, module: Path, archive: Path
) -> None:
    without = {name: text for name, text in FILES.items() if not name.startswith("crds/a/")}
    (module / "go.sum").write_text(f"example.org/Edge v1.2.3 {pack(archive, without)}\n")
    store.update_lock()
    assert f"{TOP} holds no crds/a/*.yaml" in refused(store)


def test_a_download_that_fails_shows_what_go_said(store: ArtifactStore, fake_go: FakeGo) -> None:
    fake_go.set("MODE", "fail")
    said = refused(store)
    assert "no such module" in said
    for source in ("cache", "mirror", "release page", "Go modules"):
        assert f"- {source}" in said


def test_it_may_lie_in_a_mirror(
    store: ArtifactStore, cache: Path, recipes: Path, tmp_path: Path, fake_go: FakeGo
) -> None:
    file = tmp_path / "mirror/crds-v1.2.3.yaml"
    file.parent.mkdir()
    file.write_text("name: mirrored\n")
    file.with_name(f"{file.name}.sha256").write_text(hashlib.sha256(file.read_bytes()).hexdigest())
    mirrored = ArtifactStore(cache, file.parent, catalog=CATALOG, recipes=recipes)
    assert mirrored.resolve([CRDS], Deadline.after(60))[CRDS].path.read_text() == "name: mirrored\n"
    assert fake_go.calls == []


def test_the_module_is_pinned_by_the_lock(store: ArtifactStore, module: Path) -> None:
    (module / "go.mod").write_text("module x\n\ngo 1.25.0\n\nrequire example.org/Edge v1.2.4\n")
    with pytest.raises(InputError, match=r"images/go/crds/go\.mod or go\.sum is not as it was"):
        store.resolve([CRDS], Deadline.after(60))
    with pytest.raises(InputError, match=r"requires example\.org/Edge v1\.2\.4, but the catalogue"):
        store.update_lock()


names = st.text("abcxyz", min_size=1, max_size=5)
documents = st.lists(st.integers(), min_size=1, max_size=3)


@given(st.dictionaries(names, documents, min_size=1), st.booleans(), st.booleans())
def test_no_document_is_lost_or_made_up(
    files: dict[str, list[int]], begins: bool, ends: bool
) -> None:
    texts = {}
    for name, numbers in files.items():
        body = "\n---\n".join(f"n: {number}" for number in numbers)
        texts[f"crds/{name}.yaml"] = ("---\n" if begins else "") + body + ("\n" if ends else "")
    source = GoFiles("crds", "example.org/Edge", ("crds/*.yaml",))
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        pinned = pack(folder / "m.zip", texts)
        join_files(folder / "m.zip", source, "v1.2.3", pinned, folder / "joined")
        found = [each["n"] for each in yaml.safe_load_all((folder / "joined").read_text())]
    expected = sorted(f"{name}.yaml" for name in files)
    assert found == [n for name in expected for n in files[name.removesuffix(".yaml")]]
