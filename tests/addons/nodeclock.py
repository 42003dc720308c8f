"""A clock of their own for programs of this machine, whose own clock is not touched: a library that
is preloaded into them, and a file with the seconds by which their clock is ahead."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.topology import Arch

SOURCE = Path(__file__).with_name("nodeclock.c")
OPTIONS = ("-O2", "-Wall", "-Werror", "-fno-stack-protector", "-shared", "-fPIC")


@dataclass(frozen=True)
class NodeClock:
    """The library and the file are in `folder`."""

    folder: Path

    @property
    def library(self) -> Path:
        return self.folder / "nodeclock.so"

    @property
    def file(self) -> Path:
        return self.folder / "clock"

    def make(self, ahead: int = 0) -> None:
        """Skips the test where programs cannot have a clock of their own."""
        compiler = shutil.which("gcc")
        if compiler is None or os.uname().machine != Arch.X86_64.value:
            pytest.skip("a node's own clock needs gcc and an x86_64 host")
        subprocess.run([compiler, *OPTIONS, "-o", self.library, SOURCE, "-ldl"], check=True)
        self.file.write_bytes(struct.pack("q", ahead))

    def set(self, ahead: int) -> None:
        """So many seconds ahead of the machine's."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("q", ahead))

    def prefix(self) -> tuple[str, ...]:
        """Before the command of a program with this clock, which must be linked dynamically."""
        own = (f"LD_PRELOAD={self.library}", f"CLOCK_FILE={self.file}")
        return (shutil.which("env") or "/usr/bin/env", *own)
