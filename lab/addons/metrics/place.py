"""Addresses and paths of the parts of one node: in a guest, or on the host of a test."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.metrics.names import (
    EXPORTER_ADDRESS,
    HOME,
    RECEIVER_PORT,
    STATE,
)
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.images import DebianProgram
from edge_lab.images.recipe import load_recipe
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Node, Topology


@dataclass(frozen=True)
class Place:
    """The settings of one node for senders and receiver."""

    node: str
    """Its name, which is a label of every sample."""
    receiver: str
    """`address:port`."""
    suite: str
    """Debian suite, on which the options of programs depend."""
    exporter: str = EXPORTER_ADDRESS
    programs: str = ""
    """Folder of programs on the host of a test; nodes have them in their payload."""
    bin: str = str(PAYLOAD_MOUNT / "bin")
    """Folder of components."""
    files: str = HOME
    state: str = f"/var/lib/{STATE}"

    @property
    def ca(self) -> str:
        return f"{self.files}/{CA}"

    @property
    def certificate(self) -> str:
        return f"{self.files}/{CERTIFICATE}"

    @property
    def key(self) -> str:
        return f"{self.files}/{KEY}"

    @property
    def server(self) -> str:
        """The address of the server node."""
        return self.receiver.rpartition(":")[0]

    def start(self, program: DebianProgram) -> tuple[str, ...]:
        """The command of a program, to which options are added."""
        return (f"{self.programs}/{program.name}",) if self.programs else program.command

    def config(self, name: str) -> str:
        """Path of the configuration of a part."""
        return f"{self.files}/{name}.yaml"

    def environment(self, name: str) -> str:
        """Path of the environment file of a part."""
        return f"{self.files}/{name}.env"

    def folder(self, name: str) -> str:
        """State folder of a part."""
        return f"{self.state}/{name}"


def place_of(topology: Topology, node: Node) -> Place:
    """That of a guest."""
    return Place(
        node=node.name,
        receiver=f"{topology.cluster_link(topology.server.name).address}:{RECEIVER_PORT}",
        suite=load_recipe().architectures[node.arch].suite,
    )
