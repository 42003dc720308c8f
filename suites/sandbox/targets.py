"""What hostile pods are aimed at on a node: its agents, its devices, a folder, the API server."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.nodes import LabNode

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

KUBELET_PORT, YURTHUB_PORT, MODBUS_PORT = 10250, 10261, 502
TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FOLDER = "/var/lib/edge-lab/hostile"
OUTSIDE = "outside"
SOCKET_FOLDER = "/run/containerd"
SOCKET = "containerd.sock"


def network_options(lab: Lab, node: str) -> tuple[str, ...]:
    """The node's own agents by loopback and by its address, and a cloud's metadata service."""
    address = lab.topology.cluster_link(node).address
    return (
        *("--tcp", "metadata=169.254.169.254:80"),
        *("--tcp", f"kubelet-loopback=127.0.0.1:{KUBELET_PORT}"),
        *("--tcp", f"yurthub-loopback=127.0.0.1:{YURTHUB_PORT}"),
        *("--tcp", f"kubelet={address}:{KUBELET_PORT}"),
    )


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
