"""Runs cyclictest(8) of Debian's rt-tests on a node, to measure its wake-up latency.

It is not part of the root images: the host unpacks it for the node's architecture, and copies it
into the node's memory (/run) with the loader and the libraries of the same suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.images.unpacked import unpacked
from edge_lab.oracles.scheduling.wakeups import Wakeups, parse_cyclictest
from edge_lab.provisioning.provision import GuestFile

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

PACKAGES = ("rt-tests",)
PLACE = "/run/edge-lab-cyclictest"
PRIORITY = 95
INTERVAL_US = 1000
HISTOGRAM_US = 100_000
"""Length of the histogram; later wake-ups are counted, and the maximum is known."""
LIBRARIES = ("libc.so.6", "libnuma.so.1")
LOADER = "ld-linux*.so.*"
UNPACK_SECONDS = 600.0
COPY_SECONDS = 120.0
BEYOND_SECONDS = 60.0
"""Seconds for cyclictest to start and exit, in addition to the measurement."""


def files_of(root: Path) -> tuple[GuestFile, ...]:
    """The program, its libraries and the loader.

    Raises:
        LabError: one of them is not there.
    """
    return (
        GuestFile(f"{PLACE}/cyclictest", _content(root, "bin/cyclictest"), 0o755),
        GuestFile(f"{PLACE}/loader", _content(root, LOADER), 0o755),
        *(GuestFile(f"{PLACE}/{name}", _content(root, name)) for name in LIBRARIES),
    )


def _content(root: Path, pattern: str) -> bytes:
    """The file of that name below `usr`; links, which may be absolute, are not followed."""
    for folder in ("usr", "lib"):
        for path in sorted((root / folder).rglob(pattern)):
            if path.is_file() and not path.is_symlink():
                return path.read_bytes()
            if path.is_symlink():
                target = path.parent / path.readlink().name
                if target.is_file() and not target.is_symlink():
                    return target.read_bytes()
    raise LabError(f"the packages {', '.join(PACKAGES)} bring no {pattern}")


@dataclass(frozen=True)
class Cyclictest:
    """cyclictest, installed on one node."""

    lab: Lab
    node: str
    cpus: int

    @classmethod
    def on(cls, lab: Lab, node: str) -> Cyclictest:
        """Installs it on the node until its next boot.

        Raises:
            LabError: it is not available, or could not be copied.
        """
        machine = lab.machine(node)
        root = unpacked(machine.arch, PACKAGES, Deadline.scaled(UNPACK_SECONDS))
        limit = Deadline.scaled(COPY_SECONDS)
        machine.run(f"mkdir -p {PLACE}", limit)
        for file in files_of(root):
            machine.write(file, limit)
        return cls(lab, node, int(machine.run("nproc", limit).stdout))

    def run(self, seconds: int) -> Wakeups:
        """Runs one thread on each CPU, of priority 95, woken a thousand times a second.

        Raises:
            LabError: it fails, or has no wake-ups on a CPU.
        """
        machine, limit = self.lab.machine(self.node), Deadline.scaled(seconds + BEYOND_SECONDS)
        result = f"{PLACE}/result.json"
        machine.run(f"rm -f {result} && {self.command(seconds, result)}", limit)
        return parse_cyclictest(machine.read(result, limit).decode(), self.cpus)

    def command(self, seconds: int, result: str) -> str:
        """The shell command."""
        return (
            f"{PLACE}/loader --library-path {PLACE} {PLACE}/cyclictest --mlockall --smp --quiet"
            f" --priority={PRIORITY} --interval={INTERVAL_US} --histogram={HISTOGRAM_US}"
            f" --duration={seconds} --json={result} >/dev/null"
        )

    def evidence(self) -> str:
        """The conditions for which absolute figures hold."""
        return f"cyclictest, {self.lab.state.accelerator[self.node]}"
