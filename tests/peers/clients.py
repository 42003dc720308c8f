"""Clients that nobody here wrote: where they are, and how they are run on a device's wire."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.devices.plant_site import Site, peer_command

HERE = Path(__file__).parent
NODE_FOLDER = HERE.parent.parent / "build" / "peers"
"""Where `make peers` installs what package-lock.json pins."""
OPCUA_CLIENT = "node-opcua-client"
MODBUS_CLIENT = "modbus-serial"


def require_program(name: str) -> None:
    """Skips where a program of Debian is not installed."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed; `make setup` installs it")


def require_library(name: str) -> None:
    """Skips where a shared library is not installed."""
    try:
        ctypes.CDLL(name)
    except OSError:
        pytest.skip(f"{name} is not installed; `make setup` installs it")


def require_node_client(name: str = OPCUA_CLIENT) -> None:
    """Skips where node or the client that package.json pins is not there."""
    if not shutil.which("node"):
        pytest.skip("node is not installed; it is a part of Node.js, which need be 20 or newer")
    installed = NODE_FOLDER / "node_modules" / name / "package.json"
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"][name]
    there = json.loads(installed.read_text())["version"] if installed.exists() else "none"
    if there != wanted:
        pytest.skip(f"{name} {wanted} is wanted, {there} is there; `make peers` installs it")


def on_the_wire(
    site: Site, command: Sequence[str], seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a namespace of its own on the device's wire; it reaches nothing else."""
    return subprocess.run(
        peer_command([site], command), capture_output=True, text=True, timeout=seconds
    )
