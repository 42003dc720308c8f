"""The keys of a lab, as every stack and add-on of its topology would request them."""

from __future__ import annotations

from pathlib import Path

from edge_lab.addons import get_platform
from edge_lab.pki import Pki
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology


def make_keys(folder: Path, topology: Topology) -> Pki:
    """All keys of all stacks below `folder`."""
    platforms = [get_platform(name, topology) for name in stack_names()]
    return Pki.create(
        folder, [request for each in platforms for request in each.identities(topology)]
    )
