"""The keys of a lab, as every stack and add-on of its topology would request them."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from filelock import FileLock

from edge_lab.addons import get_platform
from edge_lab.pki import Pki, Request
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology
from tests.shortcuts import KEYS


def make_keys(folder: Path, topology: Topology) -> Pki:
    """All keys of all stacks below `folder`; no other folder has the same."""
    return Pki.create(folder, _requests(topology))


def keys_made_once(folder: Path, topology: Topology) -> Pki:
    """As `make_keys`, but those of a topology are the same in every folder.

    For whoever looks at what is done with keys: to make them takes half a second.
    """
    requests = _requests(topology)
    digest = hashlib.sha256(repr(requests).encode()).hexdigest()
    made = Path(os.environ[KEYS], f"keys-{digest[:16]}")
    with FileLock(f"{made}.lock"):
        if not made.exists():
            Pki.create(made.with_suffix(".new"), requests).folder.rename(made)
    shutil.copytree(made, folder)
    return Pki.load(folder)


def _requests(topology: Topology) -> tuple[Request, ...]:
    platforms = [get_platform(name, topology) for name in stack_names()]
    return tuple(request for platform in platforms for request in platform.identities(topology))
