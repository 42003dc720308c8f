from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.artifacts import CATALOG as REAL_CATALOG
from edge_lab.artifacts import ArtifactStore, Availability, ReleaseSource, Want
from edge_lab.artifacts.components import own_components
from edge_lab.artifacts.componentset import LOCK_NAME, OWN, ComponentSet
from edge_lab.artifacts.gomodules import GoModule
from edge_lab.artifacts.lock import disagreements, read_lock
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.data import IMAGES
from edge_lab.topology import Arch
from tests.artifacts.conftest import CATALOG, FakeGo

ONE = Want("one", Arch.X86_64)


def test_a_changed_go_sum_is_refused_until_it_is_pinned(
    store: ArtifactStore, recipes: Path, fake_go: FakeGo
) -> None:
    first = store.resolve([ONE], Deadline.after(60))[ONE]
    (recipes / "go/hub/go.sum").write_text("example.org/hub v1.0.0 h1:bbbb=\n")
    with pytest.raises(InputError, match=r"go\.sum is not as it was") as caught:
        store.resolve([ONE], Deadline.after(60))
    assert "lab doctor --lock" in caught.value.remedy
    (row,) = store.state([ONE])
    assert row.state is Availability.MISSING
    assert "lab doctor --lock" in row.remedy
    assert any("one" in line for line in store.update_lock())
    assert store.resolve([ONE], Deadline.after(60))[ONE].path != first.path
    assert len(fake_go.calls) == 2


def test_a_changed_version_is_refused(store: ArtifactStore, cache: Path, recipes: Path) -> None:
    catalog = {**CATALOG, "one": replace(CATALOG["one"], version="v1.0.1")}
    changed = ArtifactStore(cache, catalog=catalog, recipes=recipes)
    with pytest.raises(InputError, match=r"v1\.0\.1 in the catalogue, v1\.0\.0 in the lock"):
        changed.resolve([ONE], Deadline.after(60))
    with pytest.raises(InputError, match=r"requires example.org/hub v1\.0\.0, but the catalogue"):
        changed.update_lock()


def test_a_changed_release_digest_is_refused(
    store: ArtifactStore, cache: Path, recipes: Path
) -> None:
    release = ReleaseSource(
        "https://example.org", {Arch.X86_64: ("{name}",)}, sha256={Arch.X86_64: "a" * 64}
    )
    catalog = {**CATALOG, "one": replace(CATALOG["one"], release=release)}
    changed = ArtifactStore(cache, catalog=catalog, recipes=recipes)
    with pytest.raises(InputError, match="the digest of one for x86_64 differs"):
        changed.resolve([ONE], Deadline.after(60))
    changed.update_lock()
    made = ComponentSet(OWN, tuple(catalog.values()), recipes / LOCK_NAME, recipes / "go")
    assert read_lock(made).components["one"].files == {Arch.X86_64: "a" * 64}


def test_only_what_is_wanted_must_agree(store: ArtifactStore, recipes: Path) -> None:
    (recipes / "go/ours/go.mod").write_text("module example.org/ours\n\ngo 1.25.1\n")
    store.resolve([ONE], Deadline.after(60))
    with pytest.raises(InputError, match="images/go/ours"):
        store.resolve([Want("ours", Arch.X86_64)], Deadline.after(60))


def test_pinning_twice_changes_nothing(store: ArtifactStore) -> None:
    assert store.update_lock() == ()


def test_a_users_own_mirror_digest_survives_pinning(store: ArtifactStore, recipes: Path) -> None:
    file = recipes / LOCK_NAME
    text = file.read_text()
    file.write_text(text.replace('"files": {}', '"files": {"riscv64": "' + "b" * 64 + '"}', 1))
    (recipes / "go/hub/go.sum").write_text("example.org/hub v1.0.0 h1:cccc=\n")
    store.update_lock()
    assert "b" * 64 in file.read_text()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"components": {"one": {}}}'])
def test_a_damaged_lock_is_named_with_its_file(
    store: ArtifactStore, recipes: Path, text: str
) -> None:
    (recipes / LOCK_NAME).write_text(text)
    with pytest.raises(InputError, match=r"artifacts\.lock:[1-9]: not a lock file"):
        store.resolve([ONE], Deadline.after(60))


def test_a_missing_lock_is_the_users_to_make(store: ArtifactStore, recipes: Path) -> None:
    (recipes / LOCK_NAME).unlink()
    with pytest.raises(InputError, match="cannot read the lock"):
        store.resolve([ONE], Deadline.after(60))
    assert "is new" in store.update_lock()[0]


def test_a_replace_line_decides_the_version(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(
        "module x\n\nrequire (\n\texample.org/a v1.0.0 // indirect\n)\n\n"
        "replace (\n\texample.org/a => example.org/a v1.2.0\n)\n"
    )
    assert GoModule("x", tmp_path).requires("example.org/a") == "v1.2.0"
    assert GoModule("x", tmp_path).requires("example.org/b") == ""


def test_the_committed_lock_fits_the_catalogue() -> None:
    own = own_components()
    lock = read_lock(own)
    assert disagreements(lock, own, own.components) == ()
    assert set(lock.components) == set(REAL_CATALOG)


@pytest.mark.parametrize("name", [each.name for each in REAL_CATALOG.values() if each.recipe])
def test_the_catalogue_has_the_version_that_go_mod_requires(name: str) -> None:
    recipe = REAL_CATALOG[name].recipe
    assert recipe is not None
    if recipe.upstream:
        module = GoModule(recipe.module, IMAGES / "go" / recipe.module)
        assert module.requires(recipe.upstream) == REAL_CATALOG[name].version
