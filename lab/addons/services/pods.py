"""The name resolution of pods, as a drop-in of the kubelet's configuration."""

from __future__ import annotations

from edge_lab.addons.dropins import kubelet_drop_in
from edge_lab.addons.services.names import CLUSTER_DOMAIN, DNS_ADDRESS
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import Stack
from edge_lab.topology import Node, Topology

FILE = "60-services.conf"
"""After the lab's own settings for K3s: the last file that sets a field wins."""


def resolution_drop_in(topology: Topology, node: Node, stack: Stack) -> GuestFile:
    """The file that makes the cluster's name server the default of pods on `node`."""
    return kubelet_drop_in(
        topology, node, stack, FILE, clusterDNS=[str(DNS_ADDRESS)], clusterDomain=CLUSTER_DOMAIN
    )
