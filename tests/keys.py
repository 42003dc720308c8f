"""The keys of a lab, as every stack and add-on of its topology would request them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from edge_lab.addons import get_platform
from edge_lab.pki import Pki, Request
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology


def make_keys(folder: Path, topology: Topology) -> Pki:
    """All keys of all stacks below `folder`; no other folder has the same."""
    return Pki.create(folder, _requests(topology))


def keys_made_once(folder: Path, topology: Topology) -> Pki:
    """As `make_keys`, but the keys of a topology are the same in every folder.

    For whoever looks at what is done with keys: RSA takes most of a second.
    """
    for file, content in _made(_requests(topology)).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_bytes(content)
    return Pki.load(folder)


def _requests(topology: Topology) -> tuple[Request, ...]:
    platforms = [get_platform(name, topology) for name in stack_names()]
    return tuple(request for platform in platforms for request in platform.identities(topology))


@functools.cache
def _made(requests: tuple[Request, ...]) -> dict[Path, bytes]:
    with tempfile.TemporaryDirectory() as room:
        folder = Pki.create(Path(room) / "keys", requests).folder
        return {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
