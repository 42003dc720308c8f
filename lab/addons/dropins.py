"""Drop-ins of add-ons for the configuration of kubelets."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from edge_lab.core.yamltext import yaml_text
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import Stack
from edge_lab.stacks.k3s_node import KUBELET_DROP_IN as K3S_DROP_IN
from edge_lab.stacks.kubelet import DROP_INS
from edge_lab.topology import Node, Topology


def kubelet_drop_in(
    topology: Topology, node: Node, stack: Stack, name: str, **fields: Any
) -> GuestFile:
    """The file `name` with fields of KubeletConfiguration for the kubelet of `node`.

    If several files set a field, the last one by name wins. Edge runtimes with an embedded kubelet,
    such as KubeEdge's, read none.
    """
    agent = stack.control if node.name == topology.server.name else stack.runtime
    folder = PurePosixPath(K3S_DROP_IN).parent if agent.name == "k3s" else PurePosixPath(DROP_INS)
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        **fields,
    }
    return GuestFile.text(str(folder / name), yaml_text(config))
