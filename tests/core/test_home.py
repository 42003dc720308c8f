"""The cache and the run directory."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir, cache_home


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    base = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    return base


def test_the_cache_is_where_xdg_says(cache: Path) -> None:
    assert cache_home() == cache / "edge-lab"
    assert cache_home().is_dir()


def test_without_xdg_the_cache_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "edge-lab"


def test_a_cache_that_cannot_be_made_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LabError, match="XDG_CACHE_HOME"):
        cache_home()


def short_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


def test_a_run_directory_is_private_and_so_are_its_keys(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_lab.core.shortpath.SOCKET_PATH_LIMIT", 1000)
    run = RunDir("one")
    run.make()
    for room in (run.path, run.keys):
        assert stat.S_IMODE(room.stat().st_mode) == 0o700
    for room in (run.logs, run.consoles, run.captures, run.devices, run.disks):
        assert room.is_dir()
    assert run.lock.parent == run.path.parent
    assert run.path not in run.lock.parents


def test_two_labs_share_nothing_but_the_cache(cache: Path) -> None:
    first, second = RunDir("one"), RunDir("two")
    assert first.path != second.path
    assert first.lock != second.lock
