"""The ports of inference servers and of the operator."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.models.identities import MODELS_DOMAIN, client_spec
from edge_lab.addons.models.names import (
    CLOUD_PORT,
    OPERATOR,
    OPERATOR_PORT,
    PORT,
    SERVER,
)
from edge_lab.probes.alerts import AlertNumber
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.probes.expected import MUTUAL_TLS, alert
from edge_lab.probes.request import Request
from edge_lab.topology import Topology

CLOUD = f"{SERVER}-cloud"
OPENSSL_MUTUAL_TLS = MUTUAL_TLS.but(
    "mutual TLS, by OpenSSL",
    not_yet_valid=alert(AlertNumber.BAD_CERTIFICATE),
    foreign_ca_same_name=alert(AlertNumber.DECRYPT_ERROR, AlertNumber.UNKNOWN_CA),
    server_certificate=alert(AlertNumber.UNSUPPORTED_CERTIFICATE),
    weak_key=None,
    sha1_signature=None,
    # Its connections are closed without an answer.
    plaintext=None,
    stolen_ticket=None,
)
"""Python's ssl with CERT_REQUIRED: ssl/statem/statem_lib.c, ssl_x509err2alert."""


def models_endpoints(topology: Topology) -> Iterable[Endpoint]:
    server = topology.server.name
    yield Endpoint(
        name=CLOUD,
        node=server,
        port=CLOUD_PORT,
        speaks=Speaks.HTTPS,
        purpose="inference in the cloud, for edge nodes",
        admits="who has a certificate of the models' authority; only inference may be asked for",
        policy=OPENSSL_MUTUAL_TLS,
        domain=MODELS_DOMAIN,
        right=client_spec("{client}"),
        request=Request("/healthz"),
    )
    for node in topology.nodes:
        yield plain_on_loopback(SERVER, node.name, PORT, "/healthz", "inference on the node")
    yield plain_on_loopback(
        OPERATOR, server, OPERATOR_PORT, "/healthz", "whether the operator works"
    )
