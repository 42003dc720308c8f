"""The Go on PATH: none, one that is too old for all modules, or for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.artifacts import ArtifactStore, Availability, CannotBuild, CannotObtain, Want
from edge_lab.artifacts.goversions import go_version
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Arch
from tests.artifacts.conftest import FakeGo

ONE, OURS = (Want(name, Arch.AARCH64) for name in ("one", "ours"))


@pytest.mark.parametrize("there", [True, False])
def test_a_go_that_is_too_old_for_one_module_is_refused_for_that_one(
    store: ArtifactStore,
    fake_go: FakeGo,
    recipes: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: bool,
) -> None:
    (recipes / "go/ours/go.mod").write_text("module example.org/ours\n\ngo 1.26.2\n")
    store.update_lock()
    assert store.resolve([ONE], Deadline.scaled(60))  # with 1.26.1
    calls = len(fake_go.calls)
    if not there:
        monkeypatch.setenv("PATH", str(recipes))
    with pytest.raises(CannotObtain) as caught:
        store.resolve([OURS], Deadline.scaled(60))
    assert not isinstance(caught.value, CannotBuild)
    assert "Install Go 1.26.2 or newer" in str(caught.value)
    assert len(fake_go.calls) == calls
    fake_go.set("VERSION", "go1.26.2")
    if there:
        assert store.resolve([OURS], Deadline.scaled(60))


def test_an_old_go_is_refused(store: ArtifactStore, fake_go: FakeGo) -> None:
    fake_go.set("VERSION", "go1.25.0")
    with pytest.raises(CannotObtain, match=r"go1\.25\.0, older than 1\.25\.3"):
        store.resolve([ONE], Deadline.scaled(60))
    (row,) = store.state([ONE])
    assert row.state is Availability.MISSING
    assert "older than" in row.remedy


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("go1.25", (1, 25, 0)),
        ("go1.27rc1", (1, 27, 0)),
        ("go1.26.1-vendor X:nocoverage", (1, 26, 1)),
        ("devel +abc", None),
    ],
)
def test_go_versions_are_read(text: str, numbers: tuple[int, int, int] | None) -> None:
    assert go_version(text) == numbers
