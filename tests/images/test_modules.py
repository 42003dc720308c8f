"""Python modules of Debian packages with the libraries that they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.images import DebianModules, module_files
from tests.addons.cache.conftest import elf

LOADER = "/lib/ld-made-up.so.1"
WANTED = DebianModules("python3-thing", ("thing", "other"), leave_out=("thing/tools",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "usr/lib/ld-made-up.so.1": elf(LOADER.encode()),
        "usr/bin/python3.13": elf(LOADER.encode()),
        "usr/bin/python3.13-config": b"#!/bin/sh\n",
        "usr/lib/python3/dist-packages/thing/__init__.py": b"",
        "usr/lib/python3/dist-packages/thing/compiled.so": elf(LOADER.encode()),
        "usr/lib/python3/dist-packages/thing/data.txt": b"",
        "usr/lib/python3/dist-packages/thing/tools/tool.py": b"",
        "usr/lib/python3/dist-packages/thing/inner/tests/test_it.py": b"",
        "usr/lib/python3/dist-packages/other/__init__.py": b"",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    link = tmp_path / "usr/lib/python3/dist-packages/thing/linked.so"
    link.symlink_to("/nowhere/linked.so")
    return tmp_path


def test_modules_come_with_the_loader_and_without_what_is_not_needed(root: Path) -> None:
    assert {file.path for file in module_files(root, WANTED)} == {
        "debian/loader",
        "debian/python/other/__init__.py",
        "debian/python/thing/__init__.py",
        "debian/python/thing/compiled.so",
    }
    assert WANTED.command[0].endswith("/debian/loader")
    assert WANTED.path.endswith("/debian/python")


def test_a_missing_module_or_interpreter_is_an_error(root: Path) -> None:
    with pytest.raises(LabError, match="none"):
        module_files(root, DebianModules("python3-thing", ("none",)))
    (root / "usr/bin/python3.13").unlink()
    with pytest.raises(LabError, match="no Python"):
        module_files(root, WANTED)
