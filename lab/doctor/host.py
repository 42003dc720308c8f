"""The interface of the probes to this machine."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from edge_lab.artifacts.gomodules import Toolchain, find_toolchain
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, LabError
from edge_lab.core.yamlmodel import Problem
from edge_lab.fabric.hostinterface import InterfaceObjection, find_objection
from edge_lab.fabric.packetwire import open_packet_socket
from edge_lab.topology import Node, Topology

_EXTERNAL_SECONDS = 60.0
_FALLBACK_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class Host:
    """Everything that the probes examine; tests use another one."""

    uid: int = os.getuid()

    def which(self, program: str) -> str | None:
        """The path of a program, also in the folders of system programs."""
        return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_FALLBACK_PATH}")

    def output(self, argv: Sequence[str], seconds: float = 15.0) -> str | None:
        """The output of a command; None if it fails or takes longer than `seconds`."""
        try:
            done = subprocess.run(
                list(argv),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=Deadline.scaled(seconds).remaining,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return None if done.returncode else done.stdout + done.stderr

    def read(self, path: str) -> str | None:
        """The text of a file; None if it cannot be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def open_problem(self, path: str) -> str:
        """Why a device cannot be opened for reading and writing; empty if it can."""
        try:
            # Without waiting for the carrier of a serial port, or becoming its controlling process.
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY))
        except OSError as trouble:
            return trouble.strerror or str(trouble)
        return ""

    def free_disk(self, folder: Path) -> int:
        """Free bytes for this user below `folder`."""
        return shutil.disk_usage(folder).free

    def memory(self) -> tuple[int, int]:
        """Total and available memory, bytes."""
        seen = psutil.virtual_memory()
        return seen.total, seen.available

    def cpus(self) -> int:
        return len(os.sched_getaffinity(0))

    def user(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def toolchain(self) -> Toolchain | str:
        """The Go on PATH, or why it cannot be used."""
        return find_toolchain()

    def packet_socket_problem(self) -> EdgeLabError | None:
        """Why packet sockets cannot be opened; None if they can."""
        try:
            open_packet_socket().close()
        except LabError as problem:
            return problem
        return None

    def interface_objection(self, name: str) -> InterfaceObjection | None:
        """Why a network interface cannot be the endpoint of a link; None if it can."""
        return find_objection(name)

    def driver_problem(self, topology: Topology) -> Problem | None:
        """Why a driver of an external node is not available; None if all are."""
        from edge_lab.machines.external import check_drivers

        try:
            check_drivers(topology)
        except Problem as problem:
            return problem
        return None

    def external_lacks(self, topology: Topology, node: Node) -> str:
        """What an external node lacks now; it is not switched on for the check.

        Raises:
            EdgeLabError: it does not answer, or refuses the login.
        """
        from edge_lab.bringup.external import lacks

        return lacks(topology, node, Deadline.scaled(_EXTERNAL_SECONDS), wake=False)

    def module(self, name: str) -> bool:
        """Whether a Python module can be imported."""
        return importlib.util.find_spec(name) is not None


@dataclass(frozen=True)
class Examination:
    """The subject of an examination."""

    host: Host
    topology: Topology
    cache: Path
    all_cached: bool
    """Whether all artifacts of the selected stack are in the cache."""
