"""The Go programs of images/go, as tests build them: with the lab's own cache and flags, so that
nothing is compiled twice."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_lab.artifacts.gomodules import FLAGS
from edge_lab.data import IMAGES

CACHE = Path.home() / ".cache" / "edge-lab" / "go"
"""At import, for tests have a home of their own."""


def go(module: str, *args: str, cgo: bool = False) -> subprocess.CompletedProcess[str]:
    """In the module's folder, and without a network: what is not in the cache is not fetched."""
    env = {
        **os.environ,
        "CGO_ENABLED": str(int(cgo)),
        "GOCACHE": str(CACHE / "build"),
        "GOMODCACHE": str(CACHE / "mod"),
        "GOPROXY": "off",
    }
    return subprocess.run(
        ["go", *args],
        cwd=IMAGES / "go" / module,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
    )


def require_modules(module: str, *flags: str) -> None:
    """Skips the test where the module cannot be compiled."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    if go(module, "list", "-deps", *flags, "./...").returncode:
        pytest.skip(f"Go modules of {module} are not in the cache, and are not fetched here")


def build(module: str, program: Path, *flags: str, cgo: bool = False) -> Path:
    """The module's program for this machine; skips the test where it cannot be built. With `cgo`,
    it is linked dynamically, so that a library can be preloaded."""
    require_modules(module, *flags)
    done = go(module, "build", *FLAGS, *flags, "-o", str(program), ".", cgo=cgo)
    assert done.returncode == 0, done.stderr
    return program


def assert_sound(module: str, command: str, *flags: str) -> None:
    """By `vet`, `test`, or `gofmt`; `flags` as in a build. Skips where it cannot be compiled."""
    if command == "gofmt":
        source = IMAGES / "go" / module
        done = subprocess.run(["gofmt", "-l", "."], cwd=source, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")
    else:
        require_modules(module, *flags)
        done = go(module, command, *FLAGS, *flags, "./...")
        assert done.returncode == 0, done.stdout + done.stderr
