"""Archives as publishers provide them."""

from __future__ import annotations

import gzip
import io
import tarfile


def tarball(members: dict[str, bytes], top: str = "") -> bytes:
    """The same bytes at any time: tests compare the digests of two of them."""
    whole = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=whole, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, content in members.items():
            info = tarfile.TarInfo(f"{top}/{name}" if top else name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()
