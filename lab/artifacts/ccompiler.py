"""The C compiler for Go components with parts in C."""

from __future__ import annotations

import shutil

from edge_lab.artifacts.model import GoSource, host_arch
from edge_lab.topology import Arch


def c_compiler(arch: Arch) -> str:
    """The compiler's name: the native one, or Debian's cross compiler for `arch`."""
    return "gcc" if arch is host_arch() else f"{arch.value}-linux-gnu-gcc"


def compiler_problem(source: GoSource | None, arch: Arch) -> str:
    """Why its C parts cannot be compiled for `arch`, with a remedy; empty if they can."""
    if source is None or not source.cgo or shutil.which(c_compiler(arch)):
        return ""
    name = c_compiler(arch)
    package = "gcc" if name == "gcc" else f"gcc-{arch.value.replace('_', '-')}-linux-gnu"
    return (
        f"it has parts in C, and there is no {name} in PATH. "
        f"As root: apt-get install {package}. (Or point LAB_MIRROR at a folder with the file.)"
    )


def cgo_environment(source: GoSource, arch: Arch) -> dict[str, str]:
    """Environment variables of a build for C."""
    if not source.cgo:
        return {"CGO_ENABLED": "0"}
    return {"CGO_ENABLED": "1", "CC": c_compiler(arch)}
