"""Where the parts of one node find each other: on a guest, or on the host that tests them."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.functions.names import (
    CA,
    CERTIFICATE,
    CLIENT_PORT,
    HOME,
    KEY,
    LEAF_PORT,
    MONITOR_PORT,
    NATS,
    PODS,
    PROGRAM,
    STATE,
)
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Node, Topology

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """Paths, addresses and programs of one node's parts."""

    node: str
    leaf: str
    """`address:port` by which the server's broker is reached."""
    client: str = f"{LOOPBACK}:{CLIENT_PORT}"
    monitor: str = f"{LOOPBACK}:{MONITOR_PORT}"
    leaf_listens: str = f"0.0.0.0:{LEAF_PORT}"
    files: str = HOME
    state: str = f"/var/lib/{STATE}"
    pods: str = PODS
    program: str = str(PAYLOAD_MOUNT / "bin" / PROGRAM)
    nats: tuple[str, ...] = NATS.command

    @property
    def url(self) -> str:
        """Of the node's own broker."""
        return f"nats://{self.client}"

    @property
    def tls(self) -> dict[str, str]:
        """As the broker's configuration calls them."""
        return {
            "ca_file": f"{self.files}/{CA}",
            "cert_file": f"{self.files}/{CERTIFICATE}",
            "key_file": f"{self.files}/{KEY}",
        }

    def config(self, name: str) -> str:
        """Path of the configuration of a part."""
        return f"{self.files}/{name}.json"

    @property
    def store(self) -> str:
        return f"{self.state}/broker"

    @property
    def source_journal(self) -> str:
        """Events that functions owe."""
        return f"{self.state}/source.jsonl"

    @property
    def storm_journal(self) -> str:
        return f"{self.state}/storm.jsonl"

    @property
    def activator_journal(self) -> str:
        return f"{self.state}/activator.jsonl"

    @property
    def records_folder(self) -> str:
        """What functions have done; of pods, a volume of the node."""
        return f"{self.state}/records"

    def records(self, way: str) -> str:
        return f"{self.records_folder}/{way}.jsonl"


def place_of(topology: Topology, node: Node) -> Place:
    """That of a guest."""
    server = topology.cluster_link(topology.server.name).address
    return Place(node=node.name, leaf=f"{server}:{LEAF_PORT}")
