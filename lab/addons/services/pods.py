"""What kubelets tell their pods about name resolution, as a drop-in of their configuration."""

from __future__ import annotations

from pathlib import PurePosixPath

from edge_lab.addons.services.names import CLUSTER_DOMAIN, DNS_ADDRESS
from edge_lab.core.yamltext import yaml_text
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import Stack
from edge_lab.stacks.k3s_node import KUBELET_DROP_IN as K3S_DROP_IN
from edge_lab.stacks.kubelet import DROP_INS
from edge_lab.topology import Node, Topology

FILE = "60-services.conf"
"""After the lab's own settings for K3s: the last one that names a field counts."""


def resolution_drop_in(topology: Topology, node: Node, stack: Stack) -> GuestFile:
    """The file that makes the kubelet of `node` name the cluster's name server to its pods."""
    agent = stack.control if node.name == topology.server.name else stack.runtime
    folder = PurePosixPath(K3S_DROP_IN).parent if agent.name == "k3s" else PurePosixPath(DROP_INS)
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "clusterDNS": [str(DNS_ADDRESS)],
        "clusterDomain": CLUSTER_DOMAIN,
    }
    return GuestFile.text(str(folder / FILE), yaml_text(config))
