"""The kwok process of a fleet: started, silenced, and restarted with a new kubeconfig."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.process import PROC, spawn, still_alive
from edge_lab.stacks.hostaccess import HostAccess

END_SECONDS = 20.0
STOP_SECONDS = 5.0
LOOK_SECONDS = 0.25
"""Seconds between two checks of its kubeconfig."""


class KwokProcess:
    """kwok reads its kubeconfig only at its start. When the cluster's authority is replaced, a new
    one is written there: kwok is then restarted, which is recorded beside the file."""

    def __init__(
        self,
        command: Sequence[str],
        run: Path,
        kubeconfig: Path,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """Starts it. `release` is called between two processes for the same nodes."""
        self._command = tuple(command)
        self._run = run
        self._log = run / "logs" / "kwok.log"
        self._access = HostAccess(kubeconfig)
        self._release = release
        self._lock = threading.RLock()
        self._is_silent = False
        self._taken = b""
        self._start()
        self._over = threading.Event()
        self._following = threading.Thread(target=self._follow, daemon=True)
        self._following.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """LabError if it has ended."""
        with self._lock:
            still_alive(self._process, "kwok", self._log)()

    def begin_anew(self) -> None:
        """Restarts it with its original kubeconfig."""
        with self._lock:
            self._stop()
            self._access.reset()
            self._start()

    def silence(self) -> int:
        """Stops it; returns the time, ns since 1970; LabError if it has ended or does not stop."""
        with self._lock:
            self.check()
            os.kill(self.pid, signal.SIGSTOP)
            self._wait_state("stands still", lambda state: state == "T")
            self._is_silent = True
            return time.time_ns()

    def wake(self) -> int:
        """Continues it; returns the time, ns since 1970."""
        with self._lock:
            self.check()
            moment = time.time_ns()
            self._go_on()
            self._take_anew()
            self._wait_state("goes on", lambda state: state != "T")
            return moment

    def let_go_on(self) -> None:
        """Whether it was silenced or has ended."""
        with self._lock:
            if self._process.poll() is None:
                self._go_on()

    def end(self) -> None:
        """For good."""
        self._over.set()
        self._following.join()
        with self._lock:
            self._stop()

    # -- a process -------------------------------------------------------------------------

    def _start(self) -> None:
        """When the mark exists, the new process is set."""
        self._taken = self._access.kubeconfig.read_bytes()
        self._process = spawn(self._command, run=self._run, log=self._log)
        self._access.mark_taken(self._taken)

    def _stop(self) -> None:
        process = self._process
        if process.poll() is not None:
            return
        self._go_on()
        process.terminate()
        try:
            process.wait(Deadline.scaled(END_SECONDS).remaining)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._is_silent = False

    def _wait_state(self, what: str, fits: Callable[[str], bool]) -> None:
        stat = PROC / str(self.pid) / "stat"
        Deadline.scaled(STOP_SECONDS).wait_for(
            f"kwok {what}", lambda: fits(stat.read_text().rpartition(") ")[2][:1]), every=0.01
        )

    # -- its kubeconfig --------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                self._take_anew()

    def _take_anew(self) -> None:
        """If it has ended by itself, `check` reports it; while it is silent, a new kubeconfig
        waits."""
        if self._is_silent or self._process.poll() is not None:
            return
        if self._access.kubeconfig.read_bytes() != self._taken:
            self._stop()
            self._release()
            self._start()
