"""Programs of Debian packages that nodes run from their payload disks.

A program that only some labs need does not belong in the root images, which all labs share. It is
provided with the libraries and the loader of its suite, so that it runs on any root image.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge_lab.core.errors import LabError
from edge_lab.images.elf import elf_needs
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, PayloadFile

FOLDER = "debian"
"""Folder in the payload for programs, and for their libraries below `lib`."""
LOADER = "loader"
NATIVE = f"{FOLDER}/native"
"""Folder in the payload for programs that execute themselves again, and for their libraries."""
_OF_GLIBC = ("ld-linux", "libc.so.", "libm.so.", "libpthread.", "libdl.", "librt.", "libresolv.")
"""Beginnings of the names of the C library's files."""
_MOST_LINKS = 8


@dataclass(frozen=True)
class DebianProgram:
    """One program of a Debian package."""

    package: str
    path: str
    """Path below the root of the file system, such as `usr/sbin/nginx`."""
    executes_itself: bool = False
    """Whether it executes itself again (/proc/self/exe), as it cannot behind a loader that was
    started instead of it. Then the loader and C library are those of the node, which must be of
    the same suite."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def command(self) -> tuple[str, ...]:
        """The command that starts it on a node with `program_files`; options follow."""
        if self.executes_itself:
            place = PAYLOAD_MOUNT / NATIVE
            return ("/usr/bin/env", f"LD_LIBRARY_PATH={place}/lib", str(place / self.name))
        folder = PAYLOAD_MOUNT / FOLDER
        return (
            str(folder / LOADER),
            "--library-path",
            str(folder / "lib"),
            str(folder / self.name),
        )


def program_files(root: Path, program: DebianProgram) -> tuple[PayloadFile, ...]:
    """The program, its loader and all its libraries, from the packages in `root`; one that
    `executes_itself` without loader and C library.

    Raises:
        LabError: a part is missing.
    """
    main = _below(root, program.path)
    if not elf_needs(main.read_bytes()).interpreter:
        raise LabError(f"{program.path} is linked statically: it needs no loader")
    libraries = libraries_of(root, [main])
    found = {f"{FOLDER}/{program.name}": main, **libraries}
    if program.executes_itself:
        found = {f"{NATIVE}/{program.name}": main} | {
            f"{NATIVE}/lib/{PurePosixPath(place).name}": file
            for place, file in libraries.items()
            if place != f"{FOLDER}/{LOADER}" and not PurePosixPath(place).name.startswith(_OF_GLIBC)
        }
    return tuple(payload_of(place, source) for place, source in sorted(found.items()))


def libraries_of(root: Path, files: Sequence[Path]) -> dict[str, Path]:
    """All libraries that `files` need, and their loader, by place in the payload.

    Raises:
        LabError: one is missing.
    """
    libraries = _Libraries(root)
    found: dict[str, Path] = {}
    waiting = [elf_needs(file.read_bytes()) for file in files]
    loaders = {PurePosixPath(needs.interpreter).name for needs in waiting if needs.interpreter}
    for loader in loaders:
        found[f"{FOLDER}/{LOADER}"] = libraries.find(loader)
    while waiting:
        for name in waiting.pop().libraries:
            place = f"{FOLDER}/lib/{name}"
            if name in loaders or place in found:
                continue
            found[place] = libraries.find(name)
            waiting.append(elf_needs(found[place].read_bytes()))
    return found


def host_command(root: Path, program: DebianProgram) -> tuple[str, ...]:
    """The command that starts the program of the packages in `root` on this host, which must have
    the same architecture."""
    needs = elf_needs(_below(root, program.path).read_bytes())
    loader = _Libraries(root).find(PurePosixPath(needs.interpreter).name)
    folders = sorted({str(path.parent) for path in root.glob("usr/lib/*/lib*.so*")})
    return (str(loader), "--library-path", ":".join(folders), str(_below(root, program.path)))


def payload_of(path: str, source: Path) -> PayloadFile:
    """A file for the payload, with its digest."""
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PayloadFile(path, source, digest)


def _below(root: Path, path: str) -> Path:
    file = root / path
    if not file.is_file() or file.is_symlink():
        raise LabError(f"the packages in {root} contain no program {path}")
    return file


class _Libraries:
    """All files below the library folders of unpacked packages, by name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, list[Path]] = {}
        for top in sorted({*root.glob("usr/lib*"), *root.glob("lib*")}):
            for folder, _, names in os.walk(top):
                for name in sorted(names):
                    self._found.setdefault(name, []).append(Path(folder, name))

    def find(self, name: str) -> Path:
        """The library of that name. Links are resolved by name: absolute ones lead out of the root.

        Raises:
            LabError: there is none.
        """
        sought = name
        for _ in range(_MOST_LINKS):
            files = self._found.get(sought, [])
            for file in files:
                if not file.is_symlink():
                    return file
            if not files:
                break
            sought = files[0].readlink().name
        raise LabError(f"the packages in {self._root} contain no {name}")
