"""The units of an edge node that connect to the cloud, as data: they must refuse a false cloud.

Edge runtimes and add-ons declare theirs, as they declare the ports that they listen on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from edge_lab.pki import CLUSTER, CertificateSpec, TrustDomain
from edge_lab.probes.alerts import AlertNumber
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import Expected, Policy, alert, let_in
from edge_lab.topology import Topology

SERVER_CERTIFICATES = (
    "server",
    "server-foreign-ca",
    "server-foreign-ca-same-name",
    "server-self-signed",
    "server-wrong-name",
    "server-expired",
    "server-not-yet-valid",
    "server-is-client",
)
"""The probes of a false cloud, in order. The first is the right server: without its request it is
not known whether connections are redirected at all."""


def _client(name: str, **alerts: Expected) -> Policy:
    expects: Mapping[str, Expected] = {
        "server": let_in(),
        **{probe.replace("_", "-"): expected for probe, expected in alerts.items()},
    }
    return Policy(
        name,
        MappingProxyType(
            {certificate: expects[certificate] for certificate in SERVER_CERTIFICATES}
        ),
    )


_BAD = alert(
    AlertNumber.BAD_CERTIFICATE,
    note="Go sends 42 for all reasons; the client's log names the reason",
)

GO_CLIENT = _client(
    "Go client",
    server_foreign_ca=_BAD,
    server_foreign_ca_same_name=_BAD,
    server_self_signed=_BAD,
    server_wrong_name=_BAD,
    server_expired=_BAD,
    server_not_yet_valid=_BAD,
    server_is_client=_BAD,
)
"""crypto/tls, handshake_client.go, verifyServerCertificate."""

SPIFFE_CLIENT = GO_CLIENT.but(
    "SPIFFE client",
    server_is_client=let_in(note="go-spiffe checks the SPIFFE ID, and accepts any usage"),
)
"""go-spiffe v2: Go's TLS with its own verification (svid/x509svid, Verify)."""

OPENSSL_CLIENT = _client(
    "OpenSSL client",
    server_foreign_ca=alert(AlertNumber.UNKNOWN_CA),
    # Its name is known but its key is not, so the signature fails.
    server_foreign_ca_same_name=alert(AlertNumber.DECRYPT_ERROR, AlertNumber.UNKNOWN_CA),
    server_self_signed=alert(AlertNumber.UNKNOWN_CA),
    server_wrong_name=alert(AlertNumber.BAD_CERTIFICATE),
    server_expired=alert(AlertNumber.CERTIFICATE_EXPIRED),
    server_not_yet_valid=alert(AlertNumber.BAD_CERTIFICATE),
    server_is_client=alert(AlertNumber.UNSUPPORTED_CERTIFICATE),
)
"""Python's ssl: ssl/statem/statem_lib.c, ssl_x509err2alert."""


@dataclass(frozen=True)
class CloudClient:
    """A unit of an edge node that makes TLS connections to the cloud."""

    name: str
    """Its name in tables: `yurthub to kube-apiserver`. Unique on its node."""
    node: str
    unit: str
    address: str
    port: int
    purpose: str
    server: CertificateSpec
    """What the server that it accepts presents."""
    domain: TrustDomain = CLUSTER
    """The domain that signs it."""
    policy: Policy = GO_CLIENT
    dials_alone: bool = False
    """No other unit of its node connects to that address and port: they identify it even after a
    restart, in another control group."""
    health_url: str = ""
    """On its node: answers 200 when the unit works, if the node's readiness does not show it."""

    @property
    def id(self) -> str:
        return f"{self.node}/{self.name}"

    def as_endpoint(self) -> Endpoint:
        """For verdict and table, which use endpoints rather than clients."""
        return Endpoint(
            name=self.name,
            node=self.node,
            port=self.port,
            speaks=Speaks.TLS,
            purpose=self.purpose,
            admits="the cloud with a certificate of its authority, for its address",
            policy=self.policy,
            domain=self.domain,
            right=self.server,
        )


@runtime_checkable
class DialsCloud(Protocol):
    """An edge runtime or add-on that declares which of its units connect to the cloud by TLS."""

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]: ...
