"""edgecore's client certificate for cloudcore: its files, its signer, and its peer's reaction.

Paths and log lines are those of KubeEdge v1.23: the defaults of `edgeHub`, and
edge/pkg/edgehub/clients/wsclient. Only edgecore's log is used, since cloudcore's WebSocket server
suppresses its lines on failed handshakes (pkg/viaduct/pkg/server/ws.go, LoggerFilter).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.pki import Authority, ClientLog, InstalledCertificate, KeyAccess
from edge_lab.stacks.identities import node_client_spec
from edge_lab.stacks.kubeedge_authority import NAMESPACE, SECRET, authority_of
from edge_lab.stacks.kubelet import NODE_CERTIFICATE
from edge_lab.topology import Topology

CERTIFICATE, KEY = "/etc/kubeedge/certs/server.crt", "/etc/kubeedge/certs/server.key"
"""In spite of their names, the files of a node's client certificate."""

EDGECORE_LOG = ClientLog(
    # Logged when cloudcore has answered the request, so has accepted the certificate.
    let_in="Websocket connect to cloud access successful",
    # The alerts 48, 45 and 42 of port 10000, as text of Go's TLS; the answer of port 10002.
    refused=(
        "remote error: tls: (unknown certificate authority|expired certificate|bad certificate)"
        "|failed to verify the certificate for edgenode"
    ),
)
"""Whether edgecore reads the alert is random: it writes its request first, and cloudcore closes the
connection without reading that. It tries five times, 5 s apart, before it pauses."""


@dataclass(frozen=True)
class CloudcoreSigner:
    """The authority that cloudcore has created."""

    def authority(self, keys: KeyAccess) -> Authority:
        data = keys.secret(NAMESPACE, SECRET)
        return authority_of(data["cadata"], data["cakeydata"])


def edgecore_certificates(topology: Topology, unit: str) -> tuple[InstalledCertificate, ...]:
    """One for each edge node. edgecore gets the first from cloudcore when it joins."""
    return tuple(
        InstalledCertificate(
            name=NODE_CERTIFICATE,
            node=node.name,
            spec=node_client_spec(node.name),
            signer=CloudcoreSigner(),
            certificate=CERTIFICATE,
            key=KEY,
            unit=unit,
            renews=True,
            log=EDGECORE_LOG,
        )
        for node in topology.edges
    )
