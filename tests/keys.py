"""The keys of a lab, as every stack and add-on of its topology would request them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from filelock import FileLock

from edge_lab.addons import get_platform
from edge_lab.pki import Pki, Request
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology

_room: Path | None = None


def share_keys_in(room: Path) -> None:
    """Where `keys_made_once` keeps them, for all processes of a test run."""
    global _room
    _room = room


def make_keys(folder: Path, topology: Topology) -> Pki:
    """All keys of all stacks below `folder`; no other folder has the same."""
    return Pki.create(folder, _requests(topology))


def keys_made_once(folder: Path, topology: Topology) -> Pki:
    """As `make_keys`, but those of a topology are the same in every folder.

    For whoever looks at what is done with keys: to make them takes half a second.
    """
    requests = _requests(topology)
    if _room is None:
        return Pki.create(folder, requests)
    made = _room / f"keys-{hashlib.sha256(repr(requests).encode()).hexdigest()[:16]}"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            Pki.create(made.with_suffix(".new"), requests).folder.rename(made)
    shutil.copytree(made, folder)
    return Pki.load(folder)


def _requests(topology: Topology) -> tuple[Request, ...]:
    platforms = [get_platform(name, topology) for name in stack_names()]
    return tuple(request for platform in platforms for request in platform.identities(topology))
