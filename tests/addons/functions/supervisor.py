"""What systemd and the kubelet are to functions, natively: a process for each file that is there.

A file in the folder of units is a function that runs, of the way that is its name: `process` is the
unit that is a function. Each file of the pods' folder is a static pod. Whatever ends while it is
wanted is started again.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

LOOK_SECONDS = 0.05

Command = Callable[[str], tuple[str, ...]]


class Supervisor:
    """Its `command` gives the command line of a way."""

    def __init__(self, units: Path, pods: Path, log: Path, command: Command) -> None:
        self._units, self._pods, self._log, self._command = units, pods, log, command
        self._running: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.can_start = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _wanted(self) -> set[tuple[str, str]]:
        """By way, and by what makes another of it."""
        wanted = {("warm", "")}
        wanted |= {(file.name, "") for file in self._units.iterdir()}
        if self._pods.is_dir():
            for file in self._pods.iterdir():
                with contextlib.suppress(OSError, ValueError, KeyError):
                    pod = json.loads(file.read_text())
                    wanted.add(("pod", pod["metadata"]["annotations"]["edge-lab/activation"]))
        return wanted

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                if self.can_start:
                    self._reconcile()

    def _reconcile(self) -> None:
        wanted = self._wanted()
        for key, process in list(self._running.items()):
            if key not in wanted:
                process.terminate()
                process.wait()
            if process.poll() is not None:
                del self._running[key]
        for key in wanted - self._running.keys():
            with self._log.open("ab") as log:
                self._running[key] = subprocess.Popen(self._command(key[0]), stdout=log, stderr=log)

    def running(self) -> frozenset[str]:
        with self._lock:
            return frozenset(
                way for (way, _), process in self._running.items() if process.poll() is None
            )

    def kill(self, way: str) -> bool:
        """Whether there was one."""
        with self._lock:
            found = [one for (name, _), one in self._running.items() if name == way]
            for process in found:
                process.kill()
                process.wait()
            return bool(found)

    @contextlib.contextmanager
    def without_power(self) -> Iterator[None]:
        """All are killed; in the block nothing is started."""
        with self._lock:
            self.can_start = False
            for process in self._running.values():
                process.kill()
                process.wait()
            self._running.clear()
        yield
        self.can_start = True

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        for process in self._running.values():
            process.kill()
            process.wait()
