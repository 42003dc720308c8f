"""Pure Python packages of the lab's own environment, for programs of nodes.

They are dependencies of the lab itself, so the installed ones are used and nothing is downloaded.
The nodes' Python is another version, so nothing compiled can come along.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from edge_lab.core.errors import LabError

GUEST_PYTHON: Mapping[str, str] = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
    "os_name": "posix",
    "extra": "",
}
"""The Python for which requirements are evaluated: the older one of the root disks."""

SETUP = "Run `make setup` to install it."


def with_requirements(
    wanted: Collection[str], without: Collection[str] = (), *, purpose: str, remedy: str = SETUP
) -> tuple[str, ...]:
    """The packages with all that they need on a node.

    Raises:
        LabError: one that `purpose` needs is not installed.
    """
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError as trouble:
            raise LabError(
                f"{purpose} needs the Python package {name}, which is not installed", remedy=remedy
            ) from trouble
        for text in requirements:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate(dict(GUEST_PYTHON)):
                waiting.append(need.name.lower().replace("_", "-"))
        waiting = [package for package in waiting if package not in without]
    return tuple(sorted(found))


def pure_files(package: str, *, compiled_parts: bool = False) -> Iterator[tuple[str, Path]]:
    """Modules, and the metadata with the version of the package, by path.

    With `compiled_parts`, the package works without its compiled modules, which do not come.

    Raises:
        LabError: it has compiled modules, and needs them.
    """
    for file in distribution(package).files or ():
        name = file.as_posix()
        if name.startswith(("../", "/")):
            continue
        if file.suffix in (".so", ".pyd") and not compiled_parts:
            raise LabError(f"the package {package} is not pure Python: it contains {name}")
        if file.suffix == ".py" or name.endswith(".dist-info/METADATA"):
            yield name, Path(str(file.locate()))
