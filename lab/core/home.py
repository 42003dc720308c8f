"""Paths on disk: the cache, with one run directory per lab."""

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
"""The longest path of a socket below a run directory: libvirt's monitor of a machine."""


def cache_home() -> Path:
    """$XDG_CACHE_HOME/edge-lab, or ~/.cache/edge-lab; created if missing.

    Its mode is set to 0700, since it contains keys, disks and sockets of labs.
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
            f"cannot create the cache folder {home}: {trouble.strerror}",
            remedy="Set XDG_CACHE_HOME to a folder that you can write to.",
        ) from trouble
    return home


def mark_used(entry: Path) -> None:
    """Marks a file or folder of the cache as used now, for `lab cache prune`."""
    with contextlib.suppress(OSError):  # the cache may be read-only
        os.utime(entry)


MARKER = ".edge-lab"
"""A file in each folder that edge-lab created and may replace or remove as a whole."""

TRACE = "trace.json"
"""The trace of a start, in the lab's logs."""


@dataclass(frozen=True)
class RunDir:
    """The run directory of one lab: state, keys, logs, consoles, captures, sockets.

    All files of a running lab that are not in the shared cache are below `path`; `lab down`
    removes it after saving the evidence.

    Raises:
        InputError: `lab` is not a valid name. So `path` is always a direct child of the
            cache's folder labs/.
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
        """The same directory by a path short enough for sockets; `make` creates it."""
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
        """The steps of the start with their times; kept with the logs."""
        return self.logs / TRACE

    @property
    def consoles(self) -> Path:
        return self.path / "consoles"

    @property
    def captures(self) -> Path:
        return self.path / "captures"

    @property
    def keys(self) -> Path:
        """SSH and X.509 keys of this lab; the folder has mode 0700, each key 0600."""
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
        """Whether the directory exists and was created by edge-lab for this lab."""
        if self.path.is_symlink() or not self.path.is_dir():
            return False
        return (self.path / MARKER).is_file() or self._has_state or not any(self.path.iterdir())

    @property
    def _has_state(self) -> bool:
        """As in run directories that were created before there was a marker."""
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(state, dict) and state.get("lab") == self.lab

    def require_ours(self) -> None:
        """LabError if `path` is something else; a missing path is not an error."""
        if os.path.lexists(self.path) and not self.is_ours:
            raise LabError(
                f"{self.path} is not the run directory of a lab; nothing was changed",
                remedy="Move it elsewhere, or give the lab another name: lab up --name NAME",
            )

    def remove(self) -> None:
        """Removes the directory and its content; LabError if it is not a run directory."""
        self.require_ours()
        remove_link(self.path, self.short)
        shutil.rmtree(self.path, ignore_errors=True)

    def require_sockets(self) -> None:
        """LabError if there is no path for sockets in this directory. Creates nothing."""
        if self.short != self.path:
            check_place()

    def link(self) -> None:
        """Makes sure that the link `short` exists, since /tmp is cleaned. LabError if it cannot."""
        make_link(self.path, self.short)

    def make(self) -> None:
        """Creates the directory and its subfolders; LabError if it cannot hold sockets."""
        self.require_ours()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        (self.path / MARKER).touch()
        self.link()
        for room in (self.logs, self.consoles, self.captures, self.devices, self.disks):
            room.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
