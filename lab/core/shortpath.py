"""Another name for a folder, short enough for the Unix sockets below it.

A socket's path has room for 107 bytes, and a cache may lie deeper than that.  What counts is the
path as it is given, not where it leads: so a folder with a long path gets a link with a short
one, in a folder that nobody else can write to.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from edge_lab.core.errors import LabError

SOCKET_PATH_LIMIT = 107
"""Bytes that fit into sockaddr_un.sun_path beside its closing zero (unix(7))."""

ROOM = Path("/tmp")  # noqa: S108 - what is made there is ours alone, or refused
"""Where the folder of links is. $XDG_RUNTIME_DIR would be gone at logout, and a lab goes on."""


def short_path(folder: Path, below: int) -> Path:
    """`folder` itself if a path of `below` bytes more fits a socket, else the name of a link to it.

    The link is not made; see `make_link`.
    """
    if len(os.fsencode(folder)) + below <= SOCKET_PATH_LIMIT:
        return folder
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return _links() / name


def make_link(folder: Path, short: Path) -> None:
    """Lets `short` lead to `folder`, if it is not the same.

    Raises:
        LabError: somebody else holds the place.
    """
    if short == folder:
        return
    check_place()
    folder = folder.absolute()
    if _leads_to(short) == folder:
        return
    draft = short.with_name(f".{short.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    draft.symlink_to(folder)
    draft.replace(short)


def remove_link(folder: Path, short: Path) -> None:
    """Removes the link, and the folder of links with its last one. No error if it is not there."""
    if short == folder or _leads_to(short) != folder.absolute():
        return
    with contextlib.suppress(OSError):
        short.unlink()
        short.parent.rmdir()


def check_place() -> None:
    """Makes the folder of links; LabError if it is not this user's alone."""
    links = _links()
    with contextlib.suppress(FileExistsError):
        try:
            links.mkdir(mode=0o700)
        except FileExistsError:
            raise
        except OSError as trouble:
            raise LabError(
                f"cannot create {links} for sockets: {trouble.strerror}", remedy=_REMEDY
            ) from trouble
    seen = links.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
        raise LabError(
            f"{links} is not a folder that you own with mode 0700",
            remedy=f"Remove it, or {_REMEDY[0].lower()}{_REMEDY[1:]}",
        )


_REMEDY = "Point XDG_CACHE_HOME at a shorter path: then no folder for sockets is needed."


def _links() -> Path:
    return ROOM / f"edge-lab-{os.geteuid()}"


def _leads_to(short: Path) -> Path | None:
    try:
        return short.readlink()
    except OSError:
        return None
