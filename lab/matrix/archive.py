"""Results of a shard on their way here: a tar of files and folders."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from edge_lab.core.errors import LabError

MARK = b"\n-- results of edge-lab --\n"
"""Before a tar on a stream to which others may have written: startup files of a shell."""
NOISE_BYTES = 1 << 16
"""The most that may come before it."""


def pack(folder: Path, last: str, sink: IO[bytes]) -> None:
    """Writes a tar of the files in `folder`, and of nothing else, to a stream.

    The file with the name `last` comes at the end: whoever has it has all others.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    files.sort(key=lambda file: file == folder / last)
    with tarfile.open(fileobj=sink, mode="w|") as tar:
        for file in files:
            tar.add(file, str(file.relative_to(folder)), recursive=False)


def find_mark(stream: IO[bytes]) -> None:
    """Goes to the tar after the mark, or stays at the beginning if there is none."""
    found = stream.read(NOISE_BYTES).find(MARK)
    stream.seek(0 if found < 0 else found + len(MARK))


def extract(archive: IO[bytes], target: Path) -> None:
    """Files and folders of a tar, which has nothing else. Debian 12's Python has no filters.

    Raises:
        LabError: it is damaged, or has links, devices or paths outside `target`.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise LabError(f"the results have a path outside their folder: {path}")
                place = target / path
                if member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                elif (content := tar.extractfile(member)) is not None and member.isreg():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with content, place.open("wb") as file:
                        shutil.copyfileobj(content, file)
                else:
                    raise LabError(f"the results have something that is no file: {path}")
    except (tarfile.TarError, KeyError) as trouble:
        raise LabError(f"the results did not arrive whole: {trouble}") from trouble
