"""Versions of Go: of a toolchain, and those that modules require."""

from __future__ import annotations

import re
from pathlib import Path

GoVersion = tuple[int, int, int]

GO_MINIMUM: GoVersion = (1, 25, 3)
"""Required by SPIRE's go.mod, the highest that most labs need; kwok and Flux need 1.26."""

_VERSION = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")
_GO_LINE = re.compile(r"^go[ \t]+(\S+)", re.M)


def go_version(text: str) -> GoVersion | None:
    """`go1.25.1` (or 1.25, 1.26rc1, `go1.26-vendor`) as numbers; None if it is not a version."""
    found = _VERSION.match(text if text.startswith("go") else f"go{text}")
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def version_text(version: GoVersion) -> str:
    return ".".join(map(str, version))


def demanded_by(go_mod: Path) -> GoVersion:
    """The oldest Go that builds the module: toolchains older than its `go` line refuse it
    (https://go.dev/ref/mod#go-mod-file-go)."""
    line = _GO_LINE.search(go_mod.read_text(encoding="utf-8"))
    return max(GO_MINIMUM, (line and go_version(line[1])) or GO_MINIMUM)


def go_remedy(version: GoVersion = GO_MINIMUM) -> str:
    return (
        f"Install Go {version_text(version)} or newer from https://go.dev/dl/ and have its "
        "bin folder in PATH. (Without Go: point LAB_MIRROR at a folder with the files.)"
    )
