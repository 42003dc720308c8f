"""Python modules of Debian packages that nodes run from their payload disks.

Like programs (`edge_lab.images.programs`), they come with the libraries and the loader of their
suite. The interpreter is that of the root image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.errors import LabError
from edge_lab.images.programs import FOLDER, LOADER, libraries_of, payload_of
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, PayloadFile

PYTHON = f"{FOLDER}/python"
"""Folder in the payload for modules."""
_MODULES = "usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class DebianModules:
    """Top-level Python modules of one Debian package and of those on which it depends."""

    package: str
    modules: tuple[str, ...]
    leave_out: tuple[str, ...] = ()
    """Folders that are not needed, such as `numpy/f2py`; `tests` never come."""

    @property
    def name(self) -> str:
        return self.package

    @property
    def command(self) -> tuple[str, ...]:
        """The interpreter with these modules' libraries; its options follow. `environment` belongs
        to it."""
        folder = PAYLOAD_MOUNT / FOLDER
        return (
            str(folder / LOADER),
            "--library-path",
            str(folder / "lib"),
            "/usr/bin/python3",
        )

    @property
    def path(self) -> str:
        """Where the modules are, for PYTHONPATH."""
        return str(PAYLOAD_MOUNT / PYTHON)


def module_files(root: Path, wanted: DebianModules) -> tuple[PayloadFile, ...]:
    """The modules, and the libraries of those that are compiled, from the packages in `root`.

    Raises:
        LabError: a module or a library is missing.
    """
    top = root / _MODULES
    found: dict[str, Path] = {}
    compiled: list[Path] = []
    for module in wanted.modules:
        if not (top / module).is_dir():
            raise LabError(f"the packages in {root} contain no Python module {module}")
        for path in _files(top / module):
            name = path.relative_to(top).as_posix()
            if not name.startswith(tuple(f"{folder}/" for folder in wanted.leave_out)):
                found[f"{PYTHON}/{name}"] = path
                if path.suffix == ".so":
                    compiled.append(path)
    found |= libraries_of(root, [_interpreter(root), *compiled])
    return tuple(payload_of(place, source) for place, source in sorted(found.items()))


def _interpreter(root: Path) -> Path:
    """Python itself, whose loader and libraries go with those of the modules."""
    for path in sorted((root / "usr/bin").glob("python3.*")):
        if path.is_file() and not path.is_symlink() and path.suffix[1:].isdigit():
            return path
    raise LabError(f"the packages in {root} contain no Python")


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"tests", "__pycache__"})
        for name in sorted(names):
            path = Path(place, name)
            # Links of packages lead to libraries, which are found by their names.
            if path.suffix in (".py", ".so") and not path.is_symlink():
                yield path
