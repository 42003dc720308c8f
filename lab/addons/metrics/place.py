"""Where the parts of one node find each other: on a guest, or on the host that tests them."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.metrics.names import (
    CA,
    CERTIFICATE,
    EXPORTER_ADDRESS,
    HOME,
    KEY,
    RECEIVER_PORT,
    STATE,
)
from edge_lab.images import DebianProgram
from edge_lab.images.recipe import load_recipe
from edge_lab.topology import Node, Topology


@dataclass(frozen=True)
class Place:
    """One node's part, as senders and receiver are told of it."""

    node: str
    """Its name, which every sample has as a label."""
    receiver: str
    """`address:port`."""
    suite: str
    """Of Debian, by which programs have their options."""
    exporter: str = EXPORTER_ADDRESS
    programs: str = ""
    """Folder of programs on the host that tests them; a node has them in its payload."""
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

    def start(self, program: DebianProgram) -> tuple[str, ...]:
        """What starts a program; options follow."""
        return (f"{self.programs}/{program.name}",) if self.programs else program.command

    def config(self, name: str) -> str:
        """Path of the configuration of a part."""
        return f"{self.files}/{name}.yaml"

    def folder(self, name: str) -> str:
        """What a part keeps."""
        return f"{self.state}/{name}"


def place_of(topology: Topology, node: Node) -> Place:
    """That of a guest."""
    return Place(
        node=node.name,
        receiver=f"{topology.cluster_link(topology.server.name).address}:{RECEIVER_PORT}",
        suite=load_recipe().architectures[node.arch].suite,
    )
