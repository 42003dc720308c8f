"""How nodes get their certificates over the network, as data: the request, the credentials, and the
expected result.

An edge runtime whose nodes join by themselves declares its attempts. Each is a separate endpoint in
the table, with one request and a policy for the probes that make it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_lab.pki import CertificateSpec
from edge_lab.probes.catalog import PROBES, Probe
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import Expected, Policy
from edge_lab.probes.request import Request
from edge_lab.topology import Topology

TOKEN_PROBES = ("join-token", "used-join-token")
"""The probes that present the cluster's token, in the order in which they are made."""


@dataclass(frozen=True)
class Joining:
    """The nodes of the attempts: `node` makes them, and `other` is a different one."""

    topology: Topology
    node: str
    other: str
    token: str = field(repr=False)
    """The credential with which a node joins."""

    def probe(self, name: str) -> Probe:
        """A probe of the catalogue, with the token if it presents it."""
        probe = PROBES[name]
        return replace(probe, token=lambda: self.token) if name in TOKEN_PROBES else probe


def asking(
    endpoint: Endpoint,
    name: str,
    request: Request,
    /,
    shows: CertificateSpec,
    **expects: Expected,
) -> Endpoint:
    """`endpoint` with one request; `shows` is what the probe `right` presents, `expects` as in
    `Policy.but`."""
    return replace(
        endpoint,
        name=f"{endpoint.name}/{name}",
        request=request,
        right=shows,
        policy=Policy("join").but("", **expects),
    )


def signing_request(spec: CertificateSpec) -> bytes:
    """A certificate signing request, DER, for the names and addresses of `spec`, by a new key that
    is not stored."""
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in spec.organizations]
    names.append(x509.NameAttribute(NameOID.COMMON_NAME, spec.common_name))
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    others = [*map(x509.DNSName, spec.dns_names), *map(x509.IPAddress, spec.addresses)]
    if others:
        built = built.add_extension(x509.SubjectAlternativeName(others), critical=False)
    signed = built.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)
