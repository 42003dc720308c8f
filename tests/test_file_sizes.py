"""No source file is longer than what can be read at one sitting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("lab", "fixtures", "images", "suites", "tests")
SUFFIXES = (".py", ".go", ".sh", ".js")
MOST_LINES = 400


def source_files(root: Path) -> Iterator[Path]:
    """What people write below `root`; links lead to what is found elsewhere."""
    for entry in sorted(root.iterdir()):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            yield from source_files(entry)
        elif entry.suffix in SUFFIXES:
            yield entry


def too_long(files: Iterator[Path]) -> dict[str, int]:
    """Lines by file, of the files with too many."""
    lengths = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    return {file: length for file, length in lengths.items() if length > MOST_LINES}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_source_file_is_too_long(folder: str) -> None:
    files = list(source_files(ROOT / folder))
    assert files
    assert too_long(iter(files)) == {}


def test_a_file_that_is_too_long_is_found_and_one_at_the_limit_is_not(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    long, limit = tmp_path / "inside/long.go", tmp_path / "limit.py"
    long.write_text("x\n" * (MOST_LINES + 1))
    limit.write_text("x\n" * MOST_LINES)
    (tmp_path / "link.py").symlink_to(long)
    assert too_long(source_files(tmp_path)) == {str(long): MOST_LINES + 1}
