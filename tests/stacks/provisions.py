"""What stacks give to nodes, taken apart: files, units, flags; and what systemd says of it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_lab.addons import Platform
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, StackContext
from edge_lab.topology import Arch

DEFAULT = Path(__file__).parents[2] / "labs" / "default.yaml"


@dataclass(frozen=True)
class FakeImage:
    """As much of an ImageArchive as a stack looks at."""

    archives: dict[Arch, Path]


ContextFor = Callable[[Stack | Platform], StackContext]


def files_of(provision: Provision) -> dict[str, GuestFile]:
    return {file.path: file for file in provision.files}


def units_of(provision: Provision) -> dict[str, str]:
    folder = "/etc/systemd/system/"
    return {
        path.removeprefix(folder): file.content.decode()
        for path, file in files_of(provision).items()
        if path.startswith(folder)
    }


def flags_of(unit: str) -> dict[str, str]:
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    words = [word.strip('"') for word in line.split()[1:]]
    return dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)


def after(unit: str) -> list[str]:
    """The units that `unit` is ordered behind."""
    (line,) = [each for each in unit.splitlines() if each.startswith("After=")]
    return line.removeprefix("After=").split()


def verify(folder: Path, units: dict[str, str]) -> None:
    """Fails on what `systemd-analyze verify` says; without it, the text must be an INI file."""
    for name, text in units.items():
        (folder / name).write_text(text)
    if not shutil.which("systemd-analyze"):
        for text in units.values():
            configparser.RawConfigParser(strict=False).read_string(text)
        return
    paths = [str(folder / name) for name in units]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"},
    )
    complaints = [line for line in done.stderr.splitlines() if any(name in line for name in units)]
    assert complaints == [], "\n".join(complaints)
