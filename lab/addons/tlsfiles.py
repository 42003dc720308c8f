"""The certificate, key and authority of an add-on's part on a node, as files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import Self

from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    Identity,
    IdentityRequest,
    InstalledCertificate,
    LabSigner,
    Pki,
    TrustBundle,
    TrustDomain,
    Usage,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import kubeconfig_of_files
from edge_lab.topology import Topology

CA, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"


@dataclass(frozen=True)
class TlsFiles:
    """Paths of a certificate, its key, and the authority with which its holder verifies peers."""

    authority: str
    certificate: str
    key: str

    @classmethod
    def in_folder(cls, folder: str) -> Self:
        return cls(f"{folder}/{CA}", f"{folder}/{CERTIFICATE}", f"{folder}/{KEY}")

    def as_config(self) -> dict[str, str]:
        """The paths by name, for configurations of the lab's own programs."""
        return asdict(self)

    @property
    def arguments(self) -> tuple[str, str, str]:
        """The paths, for command lines of the lab's own programs."""
        return self.authority, self.certificate, self.key

    def files(self, identity: Identity, authority_pem: bytes) -> tuple[GuestFile, ...]:
        return (
            GuestFile(self.authority, authority_pem),
            GuestFile(self.certificate, identity.certificate_pem),
            GuestFile(self.key, identity.key_pem, 0o600),
        )

    # -- a client of the API server or of a kubelet ---------------------------------------------

    def kubeconfig(self, url: str) -> str:
        """A kubeconfig for the API server at `url`."""
        return kubeconfig_of_files(
            url, authority=self.authority, certificate=self.certificate, key=self.key
        )

    def client_certificate(
        self, name: str, node: str, spec: CertificateSpec, unit: str
    ) -> InstalledCertificate:
        """What the unit presents, signed by the cluster's authority; `name` is that in faults."""
        return InstalledCertificate(
            name=name,
            node=node,
            spec=spec,
            signer=LabSigner(CLUSTER),
            certificate=self.certificate,
            key=self.key,
            unit=unit,
        )

    def trust(self, node: str, *units: str) -> TrustBundle:
        """The cluster's authority, with which the units verify the server."""
        return TrustBundle(node, CLUSTER, self.authority, units)


def serving_spec(name: str, address: str, *more: Usage) -> CertificateSpec:
    """The certificate of a server at that IPv4 address; with `more` it has further usages."""
    return CertificateSpec(name, addresses=(IPv4Address(address),), usages=(Usage.SERVER, *more))


def server_and_edges(
    topology: Topology,
    domain: TrustDomain,
    server: Callable[[str], CertificateSpec],
    edge: Callable[[str], CertificateSpec],
) -> tuple[IdentityRequest, ...]:
    """One identity of `domain` for each node, named after it.

    `server` makes the server node's from its address, `edge` an edge node's from its name.
    """
    node = topology.server.name
    address = str(topology.cluster_link(node).address)
    return (
        IdentityRequest(domain, node, server(address)),
        *(IdentityRequest(domain, other.name, edge(other.name)) for other in topology.edges),
    )


def tls_files(folder: str, domain: TrustDomain, name: str, pki: Pki) -> tuple[GuestFile, ...]:
    """The identity `name` of `domain`, and the certificate of its authority, in `folder`."""
    paths = TlsFiles.in_folder(folder)
    return paths.files(pki.identity(domain, name), pki.authority(domain).certificate_pem)


class ClientPlace:
    """Base of the place of a client of the API server that keeps its files in one folder."""

    files: str

    @property
    def kubeconfig(self) -> str:
        return f"{self.files}/kubeconfig"

    @property
    def keys(self) -> TlsFiles:
        """Its identity at the API server."""
        return TlsFiles.in_folder(self.files)


@dataclass(frozen=True)
class ServerClient:
    """A unit of the server node that is a client of the API server, by a certificate of its own."""

    name: str
    """In the PKI, and in faults."""
    unit: str
    folder: str
    user: str

    @property
    def spec(self) -> CertificateSpec:
        return CertificateSpec(self.user)

    @property
    def keys(self) -> TlsFiles:
        return TlsFiles.in_folder(self.folder)

    @property
    def request(self) -> IdentityRequest:
        return IdentityRequest(CLUSTER, self.name, self.spec)

    def files(self, pki: Pki) -> tuple[GuestFile, ...]:
        return tls_files(self.folder, CLUSTER, self.name, pki)

    def certificate_on(self, topology: Topology) -> InstalledCertificate:
        """What it presents to the API server."""
        return self.keys.client_certificate(self.name, topology.server.name, self.spec, self.unit)

    def trust_on(self, topology: Topology) -> TrustBundle:
        """The authority with which it verifies the API server."""
        return self.keys.trust(topology.server.name, self.unit)
