"""One file out of a tarball."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from edge_lab.artifacts.diskroom import room_on_disk
from edge_lab.artifacts.model import SourceFailed

_BROKEN = (tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)


def extract(tarball: Path, member: str, target: Path) -> None:
    """Writes the regular file `member` to `target`, and nothing else anywhere.

    Publishers put all into one top folder, of whatever name, or into none: both are
    understood. The content is copied, so that no name, link or mode inside the tarball
    decides what is written.

    Raises:
        SourceFailed: it is no tarball, is damaged, or has no such file, or two of them.
    """
    seen = 0
    try:
        with tarfile.open(tarball, "r:*") as archive:
            for each in archive:
                if not each.isreg() or not _is_it(each.name, member):
                    continue
                seen += 1
                content = archive.extractfile(each)
                assert content is not None  # it is a regular file
                with content, room_on_disk(target.parent, each.size), target.open("wb") as sink:
                    shutil.copyfileobj(content, sink, 1 << 20)
    except _BROKEN as trouble:
        raise SourceFailed(f"cannot be unpacked: {trouble}") from trouble
    if seen != 1:
        target.unlink(missing_ok=True)
        raise SourceFailed(f"holds {'no' if not seen else 'more than one'} {member}")


def _is_it(name: str, member: str) -> bool:
    parts, wanted = PurePosixPath(name).parts, PurePosixPath(member).parts
    return parts == wanted or parts[1:] == wanted
