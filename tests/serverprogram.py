"""A program of the server node as a process of this host, which a test starts and ends."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from edge_lab.core.errors import LabError


@dataclass
class ServerProgram(ABC):
    """Writes its log into `folder`."""

    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, kw_only=True)

    name: ClassVar[str]

    @abstractmethod
    def command(self) -> Sequence[str]: ...

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """Variables besides those of the test."""

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment()},
            )

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def watch(self) -> None:
        """For waits: raises if it has ended."""
        if self.process is not None and self.process.poll() is not None:
            text = self.log.read_text(errors="replace")[-2000:]
            raise LabError(f"{self.name} has ended: {text}")
