"""Where everything on disk lives: one cache, and in it one run directory per lab."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.errors import InputError, LabError
from edge_lab.core.names import NAME_RULE, is_name
from edge_lab.core.shortpath import check_place, make_link, remove_link, short_path

LONGEST_SOCKET = len("/l/libvirt/qemu/lib/domain-99-aaaaaaaaaaaaaaaaaaaa/monitor.sock")
"""Of the paths of sockets below a run directory: libvirt's for the monitor of a machine."""


def cache_home() -> Path:
    """$XDG_CACHE_HOME/edge-lab, or ~/.cache/edge-lab; created if missing.

    Its mode is 0700, also if it existed before: keys, disks and sockets of labs are below it.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home = Path(base) / "edge-lab"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        seen = home.stat()
        if seen.st_uid == os.geteuid() and seen.st_mode & 0o077:
            home.chmod(0o700)
    except OSError as trouble:
        raise LabError(
            f"cannot make the cache folder {home}: {trouble.strerror}",
            remedy="Set XDG_CACHE_HOME to a folder that you can write to.",
        ) from trouble
    return home


def mark_used(entry: Path) -> None:
    """Notes that a file or folder of the cache is used now: `lab cache prune` goes by that."""
    with contextlib.suppress(OSError):  # a read-only cache is still a cache
        os.utime(entry)


MARKER = ".edge-lab"
"""A file in each folder that edge-lab made to replace or remove later as a whole."""

TRACE = "trace.json"
"""Of a start, in the lab's logs."""


@dataclass(frozen=True)
class RunDir:
    """The run directory of one lab: state, keys, logs, consoles, captures, sockets.

    Everything that belongs to a running lab and is not in the shared cache is below
    `path`; `lab down` removes it whole, after the evidence has been kept.

    Raises:
        InputError: `lab` breaks the rule for names. So no name, wherever it comes from, makes
            `path` anything but a direct child of the cache's folder labs/.
    """

    lab: str

    def __post_init__(self) -> None:
        if not is_name(self.lab):
            raise InputError(
                f"{self.lab!r} is not a valid name of a lab",
                remedy=f"A name is {NAME_RULE}; it is not a path.",
            )

    @property
    def path(self) -> Path:
        return cache_home() / "labs" / self.lab

    @property
    def short(self) -> Path:
        """The same directory by a path that has room for sockets below it; `make` sees to it."""
        return short_path(self.path, LONGEST_SOCKET)

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    @property
    def lock(self) -> Path:
        """Outside the directory itself, so that it survives the removal."""
        return cache_home() / "labs" / f"{self.lab}.lock"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def trace(self) -> Path:
        """What the start took its time for; kept with the logs."""
        return self.logs / TRACE

    @property
    def consoles(self) -> Path:
        return self.path / "consoles"

    @property
    def captures(self) -> Path:
        return self.path / "captures"

    @property
    def keys(self) -> Path:
        """SSH and X.509 keys of this lab; the folder is 0700, each key 0600."""
        return self.path / "keys"

    @property
    def devices(self) -> Path:
        """Specification, state, ground truth and control socket of each device."""
        return self.short / "devices"

    @property
    def disks(self) -> Path:
        return self.path / "disks"

    @property
    def fabric_socket(self) -> Path:
        return self.short / "fabric.sock"

    @property
    def ssh_config(self) -> Path:
        return self.path / "ssh_config"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def is_ours(self) -> bool:
        """Whether the directory is there and was made by edge-lab, for this lab."""
        if self.path.is_symlink() or not self.path.is_dir():
            return False
        return (self.path / MARKER).is_file() or self._has_state or not any(self.path.iterdir())

    @property
    def _has_state(self) -> bool:
        """As in run directories from before the marker."""
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(state, dict) and state.get("lab") == self.lab

    def require_ours(self) -> None:
        """LabError if something else is at `path`; nothing there is no error."""
        if os.path.lexists(self.path) and not self.is_ours:
            raise LabError(
                f"{self.path} is not the run directory of a lab; nothing was changed",
                remedy="Move it elsewhere, or give the lab another name: lab up --name NAME",
            )

    def remove(self) -> None:
        """Removes the directory with all that is in it; LabError if it is not ours."""
        self.require_ours()
        remove_link(self.path, self.short)
        shutil.rmtree(self.path, ignore_errors=True)

    def require_sockets(self) -> None:
        """LabError if no path for sockets in this directory can be had. Makes nothing of it yet."""
        if self.short != self.path:
            check_place()

    def link(self) -> None:
        """Sees to it that `short` leads here: /tmp is swept. LabError if it cannot."""
        make_link(self.path, self.short)

    def make(self) -> None:
        """Makes the directory and its rooms; LabError if there can be no sockets in it."""
        self.require_ours()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        (self.path / MARKER).touch()
        self.link()
        for room in (self.logs, self.consoles, self.captures, self.devices, self.disks):
            room.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
