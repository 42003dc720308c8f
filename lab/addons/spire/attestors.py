"""How an agent identifies the pod that calls it: by the API of the node's kubelet."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import yaml

from edge_lab.addons.spire.hcl import plugin
from edge_lab.addons.spire.identities import kubelet_client, kubelet_identity
from edge_lab.addons.spire.names import AGENT_UNIT, CONFIG, agent_nodes
from edge_lab.addons.tlsfiles import TlsFiles
from edge_lab.pki import CLUSTER, InstalledCertificate, Pki, TrustBundle
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import Stack
from edge_lab.stacks.endpoints import EDGED_PORT, KUBELET_PORT
from edge_lab.stacks.k3s_node import KUBELET_DROP_IN as K3S_DROP_IN
from edge_lab.stacks.kubelet import DROP_INS
from edge_lab.topology import Node, Topology

KUBELET_FILES = TlsFiles(*(f"{CONFIG}/kubelet{end}" for end in ("-ca.crt", ".crt", ".key")))
DROP_IN = "70-spire.conf"

AUTHORIZED_FOR = "24h"
"""Lifetime of the kubelet's cached authorization of the agent; 5 min is its default. The kubelet
asks the API server: when that is unreachable and the cache has expired, new pods get no
identity."""

EDGED = frozenset({"kubeedge"})
"""Edge runtimes with edged instead of the kubelet: its API is on loopback, without
authentication."""


def has_edged(topology: Topology, node: Node, stack: Stack) -> bool:
    return node.name != topology.server.name and stack.runtime.name in EDGED


def workload_attestor(topology: Topology, node: Node, stack: Stack) -> dict[str, Any]:
    """The plugin block of the agent on `node`."""
    if has_edged(topology, node, stack):
        return {'WorkloadAttestor "k8s"': plugin(kubelet_read_only_port=EDGED_PORT)}
    return {
        'WorkloadAttestor "k8s"': plugin(
            kubelet_secure_port=KUBELET_PORT,
            kubelet_ca_path=KUBELET_FILES.authority,
            certificate_path=KUBELET_FILES.certificate,
            private_key_path=KUBELET_FILES.key,
        )
    }


def asking(topology: Topology, stack: Stack) -> tuple[Node, ...]:
    """The nodes whose agents query a kubelet, with a certificate."""
    return tuple(node for node in agent_nodes(topology) if not has_edged(topology, node, stack))


def certificate_on(node: Node) -> InstalledCertificate:
    """The certificates that agents present to kubelets."""
    return KUBELET_FILES.client_certificate(
        "spire-agent", node.name, kubelet_client(node.name), AGENT_UNIT
    )


def trust_on(node: Node) -> TrustBundle:
    """The authority with which the agent verifies the kubelet."""
    return KUBELET_FILES.trust(node.name, AGENT_UNIT)


def attestor_files(topology: Topology, node: Node, stack: Stack, pki: Pki) -> tuple[GuestFile, ...]:
    """The agent's certificate for the kubelet, and the kubelet's settings."""
    if has_edged(topology, node, stack):
        return ()
    identity = pki.identity(CLUSTER, kubelet_identity(node.name))
    return (
        *KUBELET_FILES.files(identity, pki.authority(CLUSTER).certificate_pem),
        _authorized_for_long(topology, node, stack),
    )


def _authorized_for_long(topology: Topology, node: Node, stack: Stack) -> GuestFile:
    agent = stack.control if node.name == topology.server.name else stack.runtime
    folder = PurePosixPath(K3S_DROP_IN).parent if agent.name == "k3s" else PurePosixPath(DROP_INS)
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authorization": {"webhook": {"cacheAuthorizedTTL": AUTHORIZED_FOR}},
    }
    return GuestFile.text(str(folder / DROP_IN), yaml.safe_dump(config, sort_keys=False))
