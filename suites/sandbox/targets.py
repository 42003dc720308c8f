"""What hostile pods are aimed at on a node: its agents, its devices, a folder, the API server."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.core.errors import MissingCapability
from edge_lab.devices.points import MODBUS_PORT
from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.sandbox.aimed import METADATA, on_loopback, on_the_wire
from edge_lab.oracles.sandbox.expected import Row
from edge_lab.probes.endpoint import Reach

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FOLDER = "/var/lib/edge-lab/hostile"
OUTSIDE = "outside"
SOCKET_FOLDER = "/run/containerd"
SOCKET = "containerd.sock"


def agents_of(lab: Lab, node: str) -> tuple[tuple[str, ...], Mapping[str, Row]]:
    """What listens on the node, by loopback and by its address, and a cloud's metadata service: the
    options of a pod, and what is declared of its attempts."""
    options, rows = ["--tcp", "metadata=169.254.169.254:80"], dict(METADATA)
    address = lab.topology.cluster_link(node).address
    for endpoint in lab.platform.endpoints(lab.topology):
        if endpoint.node != node:
            continue
        local = endpoint.reach is Reach.LOOPBACK
        name = f"{'loopback' if local else 'wire'}-{endpoint.name}"
        options += ["--tcp", f"{name}={'127.0.0.1' if local else address}:{endpoint.port}"]
        rows[f"tcp-{name}"] = on_loopback(endpoint.name) if local else on_the_wire(endpoint.name)
    return tuple(options), rows


def device_options(lab: Lab, node: str) -> tuple[str, ...]:
    """A Modbus device that is on a network of the node's.

    Raises:
        MissingCapability: there is none.
    """
    networks = {link.network for link in lab.topology.links_of(node)}
    for device in lab.topology.devices:
        for link in lab.topology.links_of(device.name):
            if str(device.protocol) == "modbus-tcp" and link.network in networks:
                place = f"{link.address}:{MODBUS_PORT}"
                return ("--tcp", f"device={place}", "--modbus-write", place)
    raise MissingCapability(f"no Modbus device is within reach of {node}")


def api_options(lab: Lab) -> tuple[str, ...]:
    """The API server, with the token of the pod's service account."""
    address = lab.topology.cluster_link(lab.topology.server.name).address
    return ("--api", f"https://{address}:6443", "--token", TOKEN_FILE)


@dataclass(frozen=True)
class Folder:
    """A folder of a node that is mounted into a pod, with a file beside it."""

    path: str
    marker: str
    """What only the file beside it holds, and what the pod writes."""

    def options(self, mount: str) -> tuple[str, ...]:
        """For a pod that has it at `mount`."""
        return ("--host-path", mount, "--outside", OUTSIDE, "--marker", self.marker)


@contextlib.contextmanager
def folder_of_the_node(node: LabNode) -> Iterator[Folder]:
    """It is there while the block runs."""
    folder = Folder(f"{FOLDER}/mount", secrets.token_hex(12))
    node.output(
        f"rm -rf {FOLDER} && mkdir -p {folder.path} && echo in > {folder.path}/inside"
        f" && echo {folder.marker} > {FOLDER}/{OUTSIDE}"
    )
    try:
        yield folder
    finally:
        node.output(f"rm -rf {FOLDER}")
