"""A second path of a folder, short enough for the Unix sockets below it.

A socket's path has at most 107 bytes, and a cache may be deeper than that.  The limit applies to
the path as it is given, so a folder with a long path gets a symbolic link with a short one, in a
folder that only its owner can write to.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from edge_lab.core.errors import LabError

SOCKET_PATH_LIMIT = 107
"""Bytes that fit into sockaddr_un.sun_path, without the terminating null byte (unix(7))."""

ROOM = Path("/tmp")  # noqa: S108 - what is made there is ours alone, or refused
"""The parent of the folder of links. $XDG_RUNTIME_DIR is removed at logout, while a lab runs on."""


def short_path(folder: Path, below: int) -> Path:
    """`folder` itself if `below` more bytes still fit a socket, else the path of a link to it.

    The link is not created; see `make_link`.
    """
    if len(os.fsencode(folder)) + below <= SOCKET_PATH_LIMIT:
        return folder
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return _links() / name


def make_link(folder: Path, short: Path) -> None:
    """Makes `short` a link to `folder`, unless they are the same.

    Raises:
        LabError: the path is used by something else.
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
    """Removes the link, and the folder of links if it is empty. A missing link is not an error."""
    if short == folder or _leads_to(short) != folder.absolute():
        return
    with contextlib.suppress(OSError):
        short.unlink()
        short.parent.rmdir()


def check_place() -> None:
    """Creates the folder of links; LabError if others have access to it."""
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
