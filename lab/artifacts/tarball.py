"""Extracts one file from a tarball."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.artifacts.model import SourceFailed

_BROKEN = (tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)


def extract(tarball: Path, member: str, target: Path) -> None:
    """Writes the regular file `member` to `target`, and nothing else.

    A single top folder of any name is allowed. The content is copied, so that no name, link or
    mode inside the tarball determines what is written.

    Raises:
        SourceFailed: not a tarball, damaged, or without exactly one such file.
    """
    seen = 0
    try:
        with tarfile.open(tarball, "r:*") as archive:
            for entry in archive:
                if not entry.isreg() or not _is_it(entry.name, member):
                    continue
                seen += 1
                content = archive.extractfile(entry)
                assert content is not None  # it is a regular file
                with (
                    content,
                    disk_full_as_error(target.parent, entry.size),
                    target.open("wb") as sink,
                ):
                    shutil.copyfileobj(content, sink, 1 << 20)
    except _BROKEN as trouble:
        raise SourceFailed(f"cannot be unpacked: {trouble}") from trouble
    if seen != 1:
        target.unlink(missing_ok=True)
        raise SourceFailed(f"contains {'no' if not seen else 'more than one'} {member}")


def _is_it(name: str, member: str) -> bool:
    parts, wanted = PurePosixPath(name).parts, PurePosixPath(member).parts
    return parts == wanted or parts[1:] == wanted
