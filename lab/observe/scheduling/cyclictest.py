"""Runs cyclictest(8) of Debian's rt-tests on a node, to measure its wake-up latency.

It is not part of the root images: the host unpacks it for the node's architecture, and copies it
into the node's memory (/run) with the loader and the libraries of the same suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.images.programs import FOLDER, LOADER, DebianProgram, program_files
from edge_lab.images.unpacked import unpacked
from edge_lab.oracles.scheduling.wakeups import Wakeups, parse_cyclictest
from edge_lab.provisioning.provision import GuestFile

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

PROGRAM = DebianProgram("rt-tests", "usr/bin/cyclictest")
PLACE = "/run/edge-lab-cyclictest"
PRIORITY = 95
INTERVAL_US = 1000
HISTOGRAM_US = 100_000
"""Length of the histogram; later wake-ups are counted, and the maximum is known."""
UNPACK_SECONDS = 600.0
COPY_SECONDS = 120.0
BEYOND_SECONDS = 60.0
"""Seconds for cyclictest to start and exit, in addition to the measurement."""


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
        root = unpacked(machine.arch, (PROGRAM.package,), Deadline.scaled(UNPACK_SECONDS))
        limit = Deadline.scaled(COPY_SECONDS)
        files = program_files(root, PROGRAM)
        folders = sorted({f"{PLACE}/{PurePosixPath(file.path).parent}" for file in files})
        machine.run(f"mkdir -p {' '.join(folders)}", limit)
        for file in files:
            machine.write(GuestFile(f"{PLACE}/{file.path}", file.source.read_bytes(), 0o755), limit)
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
        place = f"{PLACE}/{FOLDER}"
        return (
            f"{place}/{LOADER} --library-path {place}/lib {place}/{PROGRAM.name}"
            f" --mlockall --smp --quiet --priority={PRIORITY} --interval={INTERVAL_US}"
            f" --histogram={HISTOGRAM_US} --duration={seconds} --json={result} >/dev/null"
        )

    def evidence(self) -> str:
        """The conditions for which absolute figures hold."""
        return f"cyclictest, {self.lab.state.accelerator[self.node]}"
