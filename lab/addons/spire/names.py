"""Names, paths and the trust domain of the parts of the add-on."""

from __future__ import annotations

from edge_lab.pki import TrustDomain
from edge_lab.topology import Node, Topology

SPIRE = "spire"
"""The add-on."""
WORKLOAD_IDENTITY = "workload-identity"
"""The capability of a node whose pods get SPIFFE identities."""

SPIRE_SERVER, SPIRE_AGENT = "spire-server", "spire-agent"
"""The components; their units are named after them."""
SERVER_UNIT, AGENT_UNIT = f"{SPIRE_SERVER}.service", f"{SPIRE_AGENT}.service"
ENTRIES = "spire-entries"
"""The unit of the server node that creates the registration entries."""
SERVES = "edge-lab-spire-serves"
"""The unit of each node that has started when its agent answers pods."""

TRUST_DOMAIN = "edge-lab.test"
SPIFFE_ROOT = TrustDomain("spiffe", "edge-lab SPIFFE root", intermediates=1)
"""Root of all SVIDs: it signs the server's own authority. Agents have it from the start, so that
they need not trust the server on first use, and it outlives any partition."""

SERVER_PORT = 8081
SERVER_HEALTH, AGENT_HEALTH = "127.0.0.1:8086", "127.0.0.1:8087"

CONFIG = "/etc/spire"
SERVER_STATE, AGENT_STATE = "/var/lib/spire/server", "/var/lib/spire/agent"
SERVER_SOCKET = "/run/spire/server/api.sock"
AGENT_FOLDER = "/run/spire/agent"
"""Folder of the Workload API's socket, which pods mount as a whole, since a restarted agent creates
a new socket."""
AGENT_SOCKET = f"{AGENT_FOLDER}/agent.sock"
WORKLOAD_API = f"unix://{AGENT_SOCKET}"


def has_spire(topology: Topology) -> bool:
    return SPIRE in topology.addons


def account_id(namespace: str, account: str) -> str:
    """The SPIFFE ID of pods of a service account."""
    return f"spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{account}"


def agent_id(node: str) -> str:
    """The SPIFFE ID of the agent on a node."""
    return f"spiffe://{TRUST_DOMAIN}/spire/agent/node/{node}"


def server_id() -> str:
    """The SPIFFE ID of the server."""
    return f"spiffe://{TRUST_DOMAIN}/spire/server"


def agent_nodes(topology: Topology) -> tuple[Node, ...]:
    """The nodes with an agent: all, since the collector's pod on the server has an identity too."""
    return topology.nodes
