"""Names and paths of the parts of the add-on."""

from __future__ import annotations

from edge_lab.cluster.addresses import SERVICE_SUBNET
from edge_lab.stacks import Stack
from edge_lab.topology import Node, Topology

SERVICES = "services"
"""The add-on, and the capability of a node whose pods reach Services and resolve their names."""

KUBE_PROXY, COREDNS = "kube-proxy", "coredns"
KUBE_PROXY_UNIT, COREDNS_UNIT = f"{KUBE_PROXY}.service", f"{COREDNS}.service"

SERVES = "edge-lab-services-serve"
"""The unit that has started when both have all Services."""

CLUSTER_DOMAIN = "cluster.local"
DNS_ADDRESS = SERVICE_SUBNET[10]
"""The ClusterIP of kube-dns: the tenth address, by convention."""
DNS_PORT = 53

NAMESPACE, DNS_SERVICE = "kube-system", "kube-dns"

WITHOUT_SERVICES = frozenset({"kubeedge"})
"""Edge runtimes that do not support kube-proxy: edgecore refuses to run beside it, and provides
Services and EndpointSlices only to KubeEdge's own programs (EdgeMesh)."""


def has_services(topology: Topology, node: Node, stack: Stack) -> bool:
    """Whether the add-on runs on `node`: always on the server, on edge nodes by their runtime."""
    return node.name == topology.server.name or stack.runtime.name not in WITHOUT_SERVICES


def nodes_with_services(topology: Topology, stack: Stack) -> tuple[Node, ...]:
    """The nodes that the add-on runs on, in the topology's order."""
    return tuple(node for node in topology.nodes if has_services(topology, node, stack))
