"""Digests of files, and the files that publish them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ALGORITHM_BY_LENGTH = {64: "sha256", 128: "sha512"}
_GNU = re.compile(r"\\?(?P<hex>[0-9A-Fa-f]+)(?:[ \t]+[*]?|[ \t][ *])(?P<name>\S.*)")
_BSD = re.compile(r"(?P<tag>[A-Za-z0-9-]+)[ \t]*\((?P<name>.+)\)[ \t]*=[ \t]*(?P<hex>[0-9A-Fa-f]+)")
_BARE = re.compile(r"[0-9A-Fa-f]+")


@dataclass(frozen=True)
class Digest:
    """A published digest: `algorithm` is sha256 or sha512, `hex` is in lower case."""

    algorithm: str
    hex: str

    @classmethod
    def of(cls, text: str) -> Digest | None:
        """From hex digits, with the algorithm by their length; None if no algorithm has it."""
        algorithm = _ALGORITHM_BY_LENGTH.get(len(text))
        if algorithm is None or not _BARE.fullmatch(text):
            return None
        return cls(algorithm, text.lower())

    def matches(self, file: Path) -> bool:
        """Whether the content of `file` has this digest."""
        return file_digest(file, self.algorithm) == self.hex

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def file_digest(file: Path, algorithm: str = "sha256") -> str:
    """The hex digest of the content of `file`."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def folder_digest(folder: Path) -> str:
    """Hex SHA-256 over the names and contents of all files below `folder`."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{file_digest(file)}  {file.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def parse_checksums(text: str, name: str) -> Digest | None:
    """The digest that the checksum file `text` gives for a file called `name`.

    Supported are the formats of coreutils (`<hex>  name`, `<hex> *name`), of BSD
    (`SHA256 (name) = <hex>`) and a bare digest alone in the file, as KubeEdge and
    dl.k8s.io publish it.  A name may carry folders before it.  Lines that are none of
    these are ignored; None means that there is no line for `name`, or that two lines
    disagree about it.
    """
    named: set[Digest] = set()
    bare: set[Digest] = set()
    other_names = False
    for raw in text.replace("\r", "\n").lstrip("\ufeff").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _GNU.fullmatch(line) or _BSD.fullmatch(line)
        if found:
            digest = Digest.of(found["hex"])
            if digest is None:
                continue
            if PurePosixPath(found["name"].strip()).name == name:
                named.add(digest)
            else:
                other_names = True
        elif digest := Digest.of(line):
            bare.add(digest)
    if named:
        return _strongest(named)
    return None if other_names else _strongest(bare)


def _strongest(found: set[Digest]) -> Digest | None:
    """The digest of the strongest algorithm; None for two different digests of one algorithm."""
    algorithms = [digest.algorithm for digest in found]
    if not found or len(set(algorithms)) != len(algorithms):
        return None
    return max(found, key=lambda digest: len(digest.hex))
