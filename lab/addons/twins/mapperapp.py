"""The mapper as one file: its own code, and the pure Python packages that it needs.

Compiled ones (gRPC, protobuf, cryptography) are part of the root disks instead.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge_lab.addons.purepython import pure_files, with_requirements
from edge_lab.core.home import cache_home
from edge_lab.data import IMAGES
from edge_lab.provisioning.provision import PayloadFile

SOURCE = IMAGES / "mapper"
PACKAGE = "edge_mapper"
PAYLOAD = "mapper/edge-mapper.pyz"

WANTED = ("asyncua", "pymodbus")
OF_THE_ROOT_DISK = frozenset({"cryptography"})
"""Compiled packages, from Debian."""
NOT_NEEDED = frozenset({"tzdata"})
"""Data that a mapper does not need: it only uses UTC."""

LEFT_OUT = ("asyncua/server/standard_address_space/", "asyncua/tools.py")
"""18 MB that only a server needs, and the command line."""

_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time of a zip archive: so the file depends only on its content."""


@dataclass(frozen=True)
class MapperApp:
    """The file, and its SHA-256 in hex."""

    path: Path
    sha256: str

    @property
    def payload(self) -> PayloadFile:
        return PayloadFile(PAYLOAD, self.path, self.sha256, executable=False)


def mapper_app() -> MapperApp:
    """The mapper, from the cache or built, which takes a second.

    Raises:
        LabError: a package that it needs is not installed.
    """
    content = _built()
    digest = hashlib.sha256(content).hexdigest()
    path = cache_home() / "mapper" / f"{digest}.pyz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            draft.write(content)
        Path(draft.name).replace(path)
    return MapperApp(path, digest)


@cache
def _built() -> bytes:
    """The archive, packed once per process."""
    return build()


def build() -> bytes:
    """The archive. Equal sources and versions make equal archives."""
    files = {f"{PACKAGE}/{name}": content for name, content in _own()}
    files["__main__.py"] = (SOURCE / "start.py").read_bytes()
    for package in packages():
        files |= dict(_files_of(package))
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            # Not compressed: zlib differs between hosts.
            entry.compress_type = zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return output.getvalue()


def packages() -> tuple[str, ...]:
    """The packages to include, with their dependencies."""
    return with_requirements(WANTED, OF_THE_ROOT_DISK | NOT_NEEDED, purpose="the mapper")


def _own() -> Iterator[tuple[str, bytes]]:
    for path in sorted((SOURCE / PACKAGE).rglob("*")):
        if path.suffix in (".py", ".binpb"):
            yield path.relative_to(SOURCE / PACKAGE).as_posix(), path.read_bytes()


def _files_of(package: str) -> Iterator[tuple[str, bytes]]:
    for name, path in pure_files(package):
        if not name.startswith(LEFT_OUT):
            yield name, path.read_bytes()
