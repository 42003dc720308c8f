"""What add-ons tell the kubelets of a lab, as drop-ins of their configuration."""

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

    Of several files that name a field, the last one counts, by the order of their names. An edge
    runtime with a kubelet of its own inside, such as KubeEdge's, reads none.
    """
    agent = stack.control if node.name == topology.server.name else stack.runtime
    folder = PurePosixPath(K3S_DROP_IN).parent if agent.name == "k3s" else PurePosixPath(DROP_INS)
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        **fields,
    }
    return GuestFile.text(str(folder / name), yaml_text(config))
