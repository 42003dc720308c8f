"""Possible requests to cloudcore's port 10002, with the expected result of each probe.

Names and codes are those of KubeEdge v1.23: cloud/pkg/cloudhub/servers/httpserver.
"""

from __future__ import annotations

from dataclasses import replace

from edge_lab.pki import CertificateSpec
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import let_in, status
from edge_lab.probes.joining import Joining, asking, signing_request
from edge_lab.probes.request import Request
from edge_lab.stacks.identities import node_client_spec

CERTIFICATES = "/edge.crt"

SERVER_USAGE = "[1]"
"""`x509.ExtKeyUsageServerAuth`, as edgecore writes usages into a header."""

REUSED = "one token is valid for all nodes, for a day, however often it is used"


def join_endpoints(endpoint: Endpoint, joining: Joining) -> tuple[Endpoint, ...]:
    """`endpoint`, port 10002, once for each request."""
    own, other = node_client_spec(joining.node), node_client_spec(joining.other)
    cloud = joining.topology.cluster_link(endpoint.node).address
    return (
        asking(
            endpoint,
            "own-certificate",
            _certificate(joining.node, own),
            shows=own,
            right=let_in(200),
            none=status(401),
            bad_token=status(401),
            join_token=let_in(200),
            used_join_token=let_in(200, note=REUSED),
            foreign_ca=status(401),
            expired=status(401),
            server_certificate=status(401),
        ),
        # Names another node, with its own certificate.
        asking(
            endpoint,
            "in-another-name",
            _certificate(joining.other, other),
            shows=own,
            right=status(401),
        ),
        # Names itself, but requests a certificate for another node.
        asking(
            endpoint,
            "certificate-of-another-node",
            _certificate(joining.node, other),
            shows=own,
            right=status(401, 403),
        ),
        # With that, a node could impersonate the cloud.
        asking(
            endpoint,
            "certificate-of-the-cloud",
            _certificate(joining.node, replace(own, addresses=(cloud,)), usages=SERVER_USAGE),
            shows=own,
            right=status(401, 403),
        ),
        asking(
            endpoint,
            "without-organization",
            _certificate(joining.node, own),
            shows=CertificateSpec(own.common_name),
            right=status(401),
        ),
        asking(
            endpoint, "node-exists", Request(f"/node/{joining.other}"), shows=own, none=status(401)
        ),
    )


def _certificate(node: str, asked_for: CertificateSpec, usages: str = "") -> Request:
    headers = [("NodeName", node)]
    if usages:
        headers.append(("ExtKeyUsages", usages))
    return Request(
        CERTIFICATES,
        body=signing_request(asked_for),
        content_type="application/octet-stream",
        headers=tuple(headers),
        confidential=True,
    )
