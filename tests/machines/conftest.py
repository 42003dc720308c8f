"""A guest of each architecture as data; nothing here needs a machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.home import RunDir
from edge_lab.machines import GuestSpec, PortForward, cluster_hosts, wire_nics
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology

MakeSpec = Callable[..., GuestSpec]


@pytest.fixture
def run() -> RunDir:
    """The rooms of a run directory; no socket of a machine is made here."""
    made = RunDir("default")
    for room in (made.logs, made.consoles, made.disks, made.keys):
        room.mkdir(parents=True, exist_ok=True)
    return made


@pytest.fixture
def make_spec(default_topology: Topology) -> MakeSpec:
    """The spec of one node of the default lab; `first_port` moves all its ports."""

    def make(node: str = "edge-arm", first_port: int = 21000, **more: Any) -> GuestSpec:
        topology = default_topology
        image: Any = SimpleNamespace(
            arch=topology.node(node).arch,
            disk=Path("/cache/images/abc/root.ext4"),
            kernel=Path("/cache/images/abc/vmlinuz"),
            initrd=Path("/cache/images/abc/initrd"),
            digest="abc",
        )
        ports = {
            link.name: (first_port + 10 + index * 2, first_port + 11 + index * 2)
            for index, link in enumerate(topology.links)
        }
        given: dict[str, Any] = {
            "lab": topology.name,
            "node": topology.node(node),
            "image": image,
            "nics": wire_nics(topology, node, ports),
            "forwards": (PortForward(22, first_port), PortForward(6443, first_port + 1)),
            "files": (GuestFile.text("/etc/edge/x.conf", "x"),),
            "payload": Path("/cache/payload.ext4"),
            "hosts": cluster_hosts(topology),
        }
        return GuestSpec(**{**given, **more})

    return make
