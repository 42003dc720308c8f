"""Who on an edge node dials the cloud, as data: it must turn a false cloud away.

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
"""The probes that a false cloud makes, in their order. The first is no false one: without its
request the connection is not known to come here at all."""


def _client(name: str, **alerts: Expected) -> Policy:
    expects: Mapping[str, Expected] = {
        "server": let_in(),
        **{probe.replace("_", "-"): expected for probe, expected in alerts.items()},
    }
    return Policy(name, MappingProxyType({it: expects[it] for it in SERVER_CERTIFICATES}))


_BAD = alert(
    AlertNumber.BAD_CERTIFICATE, note="Go sends 42 whatever was wrong; the client's log tells"
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
    server_is_client=let_in(note="go-spiffe goes by the SPIFFE ID, and takes any usage"),
)
"""go-spiffe v2, which is Go's TLS with a verification of its own (svid/x509svid, Verify)."""

OPENSSL_CLIENT = _client(
    "OpenSSL client",
    server_foreign_ca=alert(AlertNumber.UNKNOWN_CA),
    # Its name is known and its key is not: the signature is what fails.
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
    """Whom it dials, for tables: `yurthub to kube-apiserver`. Unique on its node."""
    node: str
    unit: str
    address: str
    port: int
    purpose: str
    server: CertificateSpec
    """What the server shows that it takes."""
    domain: TrustDomain = CLUSTER
    """Who signs that."""
    policy: Policy = GO_CLIENT
    dials_alone: bool = False
    """No other unit of its node dials that address and port: it is known by these also when it has
    ended and was started again, in another control group."""
    health_url: str = ""
    """On its node: answers 200 when the unit works, where the node's readiness does not tell."""

    @property
    def id(self) -> str:
        return f"{self.node}/{self.name}"

    def as_endpoint(self) -> Endpoint:
        """For verdict and table, which go by what was met and not by who dialled."""
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
    """An edge runtime or add-on that says which of its units dial the cloud by TLS."""

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]: ...
