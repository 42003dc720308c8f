"""The lab's private libvirt daemon, in its run directory.

A lab neither needs nor uses the libvirt of the host.  Its daemon is a process of the lab: the
daemon and its machines are found by the lab's mark, even if the daemon has died.

As root, libvirtd requires /etc/libvirt, /run/libvirt and similar folders.  It runs in a mount
namespace in which these are folders of the lab.  The namespace has no name, so it ends with
its last process and leaves no mounts.  As an ordinary user, libvirtd uses the XDG folders,
which are set to folders in the run directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import libvirt

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes, processes_of, spawn
from edge_lab.machines.daemonrooms import DaemonRooms, daemon_argv
from edge_lab.machines.domain import EMULATORS, find_emulator
from edge_lab.topology import Arch

START_SECONDS = 60.0
"""Time limit; the socket usually answers in less than two seconds."""

USERS_OWN = "qemu:///session"


def _quiet(_context: Any, _error: Any) -> None:
    """Replaces libvirt's default handler, which prints each error to stderr."""


libvirt.registerErrorHandler(_quiet, None)


def _find_libvirtd() -> str:
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin:/usr/local/sbin"
    found = shutil.which("libvirtd", path=path)
    if not found:
        raise LabError(
            "libvirtd is not installed",
            remedy="As root: apt-get install libvirt-daemon libvirt-daemon-system",
        )
    return found


class LibvirtDaemon:
    """The daemon that runs a lab's machines, and the connection to it.

    `start` starts one, `attach` finds the one that another process of the lab has started.
    As a context manager, it stops all machines and the daemon at the end.
    """

    def __init__(self, run: RunDir, uri: str) -> None:
        self.run = run
        self.uri = uri
        self._connection: Any = None
        self._process: subprocess.Popen[bytes] | None = None

    # -- Start and stop ------------------------------------------------------------------

    @classmethod
    def start(
        cls, run: RunDir, deadline: Deadline, *, kvm: bool = False, own_session: bool = False
    ) -> LibvirtDaemon:
        """Starts the lab's daemon, or uses the user's session daemon if `own_session`.

        `kvm` is for a host on which a probe guest has booted with it (accelerator.py).
        """
        rooms = DaemonRooms.of(run)
        rooms.make()
        if own_session:
            daemon = cls(run, USERS_OWN)
        else:
            daemon = cls(run, rooms.uri)
            log = run.logs / "libvirtd.log"
            process = daemon._process = spawn(
                daemon_argv(rooms, _find_libvirtd(), kvm=kvm),
                run=run.path,
                log=log,
                extra_env=rooms.environment,
            )

            def alive() -> None:
                if process.poll() is not None:
                    raise LabError(
                        f"libvirtd ended with exit status {process.returncode}: {_last_line(log)}",
                        remedy=_remedy(rooms, log),
                    )

            deadline.within(START_SECONDS).wait_for(
                "libvirtd answers", daemon._answers, every=0.05, watch=alive
            )
        (rooms.base / "daemon.json").write_text(json.dumps({"uri": daemon.uri}))
        return daemon

    @classmethod
    def attach(cls, run: RunDir) -> LibvirtDaemon:
        """The daemon of a running lab; LabError if there is none."""
        note = DaemonRooms.of(run).base / "daemon.json"
        try:
            daemon = cls(run, json.loads(note.read_text())["uri"])
        except (OSError, ValueError, KeyError) as trouble:
            raise LabError(
                f"lab {run.lab!r} has no running libvirt daemon",
                remedy="Run `lab down`, then `lab up`.",
            ) from trouble
        _ = daemon.connection
        return daemon

    def stop(self, deadline: Deadline) -> None:
        """Ends all machines of this lab, then the daemon unless it is the user's session daemon."""
        with contextlib.suppress(libvirt.libvirtError, LabError):
            for domain in self.connection.listAllDomains():
                if domain.name().startswith(f"{self.run.lab}-"):
                    with contextlib.suppress(libvirt.libvirtError):
                        domain.destroy()
        self.close()
        if self.uri == USERS_OWN:
            return
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(deadline.within(10).remaining)
        mine = [process for process in processes_of(self.run.path) if "libvirtd" in process.command]
        for process in mine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, 15)
        with contextlib.suppress(LabError):
            deadline.within(10).wait_for(
                "libvirtd ends",
                lambda: not {p.pid for p in mine} & {p.pid for p in processes_of(self.run.path)},
                every=0.05,
            )
            return
        end_processes(self.run.path, deadline)

    def __enter__(self) -> LibvirtDaemon:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        trouble: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(Deadline.scaled(30))

    def emulator(self, arch: Arch) -> str:
        """The path of QEMU for `arch` in the view of this daemon."""
        real = find_emulator(arch)
        if self.uri == USERS_OWN:
            return real
        return str(DaemonRooms.of(self.run).emulators / EMULATORS[arch])

    # -- Connection ----------------------------------------------------------------------

    @property
    def connection(self) -> Any:
        """The libvirt.virConnect; opened on first use, and again after it was lost."""
        if self._connection is not None:
            with contextlib.suppress(libvirt.libvirtError):
                if self._connection.isAlive():
                    return self._connection
            self.close()
        try:
            self._connection = libvirt.open(self.uri)
        except libvirt.libvirtError as trouble:
            raise LabError(
                f"libvirt does not answer at {self.uri}: {trouble}",
                remedy=f"Log: {self.run.logs / 'libvirtd.log'}",
            ) from trouble
        return self._connection

    def close(self) -> None:
        """Closes the connection; the daemon and the machines keep running."""
        if self._connection is not None:
            with contextlib.suppress(libvirt.libvirtError):
                self._connection.close()
            self._connection = None

    def _answers(self) -> bool:
        try:
            return bool(self.connection)
        except LabError:
            return False


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return "no output"


def _remedy(rooms: DaemonRooms, log: Path) -> str:
    if rooms.root and "unshare" in _last_line(log):
        return "Root needs CAP_SYS_ADMIN to run libvirtd; run the lab as an ordinary user."
    return f"Log: {log}"
