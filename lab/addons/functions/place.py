"""Paths and addresses of the parts on one node: on a guest, or on the host in native tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_lab.addons.functions.names import (
    CLIENT_PORT,
    HOME,
    LEAF_PORT,
    MONITOR_PORT,
    NATS,
    PODS,
    PROGRAM,
    STATE,
)
from edge_lab.addons.functions.ways import has_keda
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Node, Topology

LOOPBACK, ANY = "127.0.0.1", "0.0.0.0"


@dataclass(frozen=True)
class Place:
    """Paths, addresses and programs of the parts on one node."""

    node: str
    leaf: str
    """`address:port` of the server's broker."""
    client: str = f"{LOOPBACK}:{CLIENT_PORT}"
    monitor: str = f"{LOOPBACK}:{MONITOR_PORT}"
    """Where the broker reports its state, without authentication."""
    leaf_listens: str = f"0.0.0.0:{LEAF_PORT}"
    files: str = HOME
    state: str = f"/var/lib/{STATE}"
    pods: str = PODS
    program: str = str(PAYLOAD_MOUNT / "bin" / PROGRAM)
    nats: tuple[str, ...] = NATS.command

    @property
    def url(self) -> str:
        """URL of the node's own broker."""
        return f"nats://{self.client}"

    @property
    def tls(self) -> dict[str, str]:
        """The TLS options of the broker's configuration."""
        return {
            "ca_file": f"{self.files}/{CA}",
            "cert_file": f"{self.files}/{CERTIFICATE}",
            "key_file": f"{self.files}/{KEY}",
        }

    def config(self, name: str) -> str:
        """Path of a part's configuration file."""
        return f"{self.files}/{name}.json"

    @property
    def store(self) -> str:
        return f"{self.state}/broker"

    @property
    def source_journal(self) -> str:
        """The journal of crossings and stored events."""
        return f"{self.state}/source.jsonl"

    @property
    def storm_journal(self) -> str:
        return f"{self.state}/storm.jsonl"

    @property
    def activator_journal(self) -> str:
        return f"{self.state}/activator.jsonl"

    @property
    def records_folder(self) -> str:
        """Records of functions; pods mount it as a hostPath volume."""
        return f"{self.state}/records"

    def records(self, way: str) -> str:
        return f"{self.records_folder}/{way}.jsonl"


def place_of(topology: Topology, node: Node) -> Place:
    """The paths and addresses on a guest."""
    server = topology.cluster_link(topology.server.name).address
    place = Place(node=node.name, leaf=f"{server}:{LEAF_PORT}")
    if node in topology.edges and has_keda(topology):
        # On all addresses: at boot, that of the link may come later than the broker.
        return replace(place, monitor=f"{ANY}:{MONITOR_PORT}")
    return place
