"""What a node gets before it boots: files, units and a read-only payload.

A stack declares as data what it needs on a node.  The files are put on the node's seed disk
(unpacked to / at each boot, before network and SSH start), and the payload on a read-only disk
that is mounted at `PAYLOAD_MOUNT`.  So nothing has to be copied into a running guest, and a node
that reboots while offline has everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from edge_lab.core.errors import LabError

PAYLOAD_MOUNT = PurePosixPath("/opt/edge-lab")
"""Payload files are below it: bin/kubelet, images/edge-lab.tar, …"""


@dataclass(frozen=True)
class GuestFile:
    """A file in the guest, owned by root. `path` is absolute, `mode` as for chmod(1)."""

    path: str
    content: bytes
    mode: int = 0o644

    @classmethod
    def text(cls, path: str, content: str, mode: int = 0o644) -> GuestFile:
        return cls(path, content.encode(), mode)


@dataclass(frozen=True)
class PayloadFile:
    """A file of the host that the guest sees at `PAYLOAD_MOUNT`/`path`."""

    path: str
    source: Path
    sha256: str
    """Hex digest of the content: payload disks are content-addressed."""
    executable: bool = True


_F = TypeVar("_F", GuestFile, PayloadFile)


@dataclass(frozen=True)
class Provision:
    """The provision of a node. `units` are enabled systemd units, in no order."""

    files: tuple[GuestFile, ...] = ()
    units: tuple[str, ...] = ()
    payload: tuple[PayloadFile, ...] = ()
    folders: tuple[str, ...] = ()
    """Folders that its programs create and fill; they disappear with a machine of the lab, and are
    removed from an external node."""
    undo: tuple[str, ...] = ()
    """Shell commands that undo effects of its units other than files, after they have stopped; they
    may fail."""

    def __add__(self, other: Provision) -> Provision:
        """Both together; LabError for two different contents of a path."""
        return Provision(
            _merged(self.files, other.files),
            tuple(dict.fromkeys((*self.units, *other.units))),
            _merged(self.payload, other.payload),
            tuple(dict.fromkeys((*self.folders, *other.folders))),
            tuple(dict.fromkeys((*self.undo, *other.undo))),
        )

    @classmethod
    def total(cls, parts: Iterable[Provision]) -> Provision:
        whole = cls()
        for part in parts:
            whole = whole + part
        return whole


def _merged(ours: tuple[_F, ...], theirs: tuple[_F, ...]) -> tuple[_F, ...]:
    by_path = {part.path: part for part in ours}
    for part in theirs:
        if by_path.setdefault(part.path, part) != part:
            raise LabError(f"two parts of the stack write {part.path} in the same guest")
    return tuple(by_path.values())
