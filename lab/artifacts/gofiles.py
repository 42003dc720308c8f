"""Files of a Go module, verified by go.sum and joined into one.

The archive of the module, as its proxy serves it, is read completely and compared with
go.sum here, independently of the module cache.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import zipfile
import zlib
from pathlib import Path

from edge_lab.artifacts.gomodules import BuildFailed, GoModule
from edge_lab.artifacts.model import GoFiles

SEPARATOR = "---"

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # compressed in a way that zipfile does not know
    RuntimeError,  # encrypted
    UnicodeDecodeError,
    OSError,
)
_AGAIN = "Remove it, so that it is downloaded again"


def pinned_sum(module: GoModule, upstream: str, version: str) -> str:
    """The `h1:` digest that go.sum of `module` pins for the content of upstream@version.

    Raises:
        BuildFailed: it pins none, so the content cannot be verified.
    """
    file = module.folder / "go.sum"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for line in lines:
        fields = line.split()
        if fields[:2] == [upstream, version] and len(fields) == 3:
            return fields[2]
    raise BuildFailed(f"{module.shown}/go.sum does not pin {upstream} {version}")


def archive_sum(archive: zipfile.ZipFile) -> str:
    """The digest of a module's archive as go.sum has it (golang.org/x/mod/sumdb/dirhash, Hash1)."""
    lines = []
    for name in sorted(archive.namelist()):
        content = hashlib.sha256(archive.read(name)).hexdigest()
        lines.append(f"{content}  {name}\n")
    whole = hashlib.sha256("".join(lines).encode()).digest()
    return "h1:" + base64.b64encode(whole).decode("ascii")


def join_files(file: Path, source: GoFiles, version: str, pinned: str, target: Path) -> None:
    """Writes the files of the archive `file` that `source` names to `target`, as one YAML stream.

    Raises:
        BuildFailed: the archive is damaged or not what go.sum pins, or lacks the files.
    """
    top = f"{source.upstream}@{version}/"
    try:
        with zipfile.ZipFile(file) as archive:
            found = archive_sum(archive)
            if found != pinned:
                raise BuildFailed(
                    f"{file} is not what go.sum pins: {found}, not {pinned}. {_AGAIN}"
                )
            names = archive.namelist()
            documents = [
                _document(archive.read(name).decode("utf-8"), name.removeprefix(top))
                for pattern in source.patterns
                for name in _matching(names, top, pattern)
            ]
    except _UNREADABLE as trouble:
        raise BuildFailed(f"{file} cannot be read: {trouble}. {_AGAIN}") from trouble
    target.write_text("".join(documents), encoding="utf-8")


def _matching(names: list[str], top: str, pattern: str) -> list[str]:
    found = sorted(
        name
        for name in names
        if name.startswith(top) and fnmatch.fnmatchcase(name.removeprefix(top), pattern)
    )
    if not found:
        raise BuildFailed(f"{top.removesuffix('/')} holds no {pattern}")
    return found


def _document(text: str, name: str) -> str:
    """One file of the stream: a separator, where it came from, and its content."""
    content = text.strip().removeprefix(SEPARATOR).lstrip("\n")
    return f"{SEPARATOR}\n# {name}\n{content}\n"
