"""The mapper's one file: the same each time, pure Python, and able to start."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge_lab.addons.twins import mapperapp
from images.mapper import start


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("app") / "edge-mapper.pyz"
    path.write_bytes(mapperapp.build())
    return path


def test_it_is_the_same_each_time(archive: Path) -> None:
    assert mapperapp.build() == archive.read_bytes()


def test_it_holds_the_mapper_and_what_it_needs_and_nothing_compiled(archive: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        names = content.namelist()
        assert {each.date_time for each in content.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        # What a compressor makes of it depends on its version.
        assert {each.compress_type for each in content.infolist()} == {zipfile.ZIP_STORED}
    assert names == sorted(names)
    tops = {name.partition("/")[0].removesuffix(".py") for name in names}
    needed = {"__main__", "edge_mapper", "pymodbus", "asyncua", "anyio", "dateutil", "pytz"}
    assert needed <= tops
    assert not {"grpc", "google", "cryptography", "_cffi_backend"} & tops
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert "edge_mapper/dmi.binpb" in names


def test_packages_for_older_pythons_than_the_guests_are_left_out() -> None:
    found = mapperapp.packages()
    assert "wait-for2" not in found
    assert "aiosqlite" in found


def test_it_runs_by_itself_and_unpacks_itself_once(archive: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "STATE_DIRECTORY": str(tmp_path)}
    environment.pop("PYTHONPATH", None)

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-I", str(archive), str(tmp_path / "none.json")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 2
        return done.stderr

    assert "none.json" in run()
    (folder,) = tmp_path.glob("code-*")
    before = folder.stat().st_ino
    run()
    (again,) = tmp_path.glob("code-*")
    assert again.stat().st_ino == before


def test_another_archive_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folders = []
    for text in ("one", "two"):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as content:
            content.writestr("module.py", text)
        archive = tmp_path / "app.pyz"
        archive.write_bytes(stream.getvalue())
        folders.append(start.unpacked(archive, tmp_path / "home"))
    assert not folders[0].exists()
    assert (folders[1] / "module.py").read_text() == "two"
