"""Files on nodes that say which authorities a component trusts, so that one can be replaced."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import yaml
from cryptography import x509

from edge_lab.core.yamltext import yaml_text
from edge_lab.pki.authority import Identity, sec1_pem
from edge_lab.pki.installed import InstalledCertificate
from edge_lab.pki.requests import TrustDomain
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology


class TrustForm(StrEnum):
    """How the certificates of authorities stand in a file."""

    PEM = "pem"
    """One after the other, and nothing else."""
    KUBECONFIG = "kubeconfig"
    """As `certificate-authority-data` of each cluster."""


@dataclass(frozen=True)
class TrustBundle:
    """A file on a node with the authorities that the components there trust."""

    node: str
    domain: TrustDomain
    path: str
    """In the guest."""
    units: tuple[str, ...]
    """All that read it, in the order in which they are to be started anew."""
    form: TrustForm = TrustForm.PEM

    def authorities(self, content: bytes) -> tuple[x509.Certificate, ...]:
        """Whom a file with that content trusts."""
        pem = _READ[self.form](content)
        return tuple(x509.load_pem_x509_certificates(pem))

    def trusting(self, content: bytes, authorities: Iterable[bytes]) -> bytes:
        """That content, with these authorities (PEM) in the place of all that it trusts."""
        return _WRITE[self.form](content, b"".join(authorities))


@dataclass(frozen=True)
class InstalledAuthority:
    """An authority with its key on a node, where a component signs by it.

    Kubernetes' controller manager takes one certificate here and no bundle; so this is not a file
    that says whom others trust.
    """

    node: str
    domain: TrustDomain
    certificate: str
    """Path in the guest."""
    key: str
    unit: str
    sec1: bool = False
    """The key is read as SEC 1 ("EC PRIVATE KEY") alone; else as PKCS#8."""
    is_all_that_is_trusted: bool = False
    """The component also verifies its clients by this certificate, and by no other: it cannot trust
    an authority and its successor at the same time."""

    @property
    def paths(self) -> tuple[str, str]:
        return (self.certificate, self.key)

    def files(self, identity: Identity) -> tuple[GuestFile, GuestFile]:
        """What lies on the node when it signs by `identity`."""
        key = sec1_pem(identity.key_pem) if self.sec1 else identity.key_pem
        return (
            GuestFile(self.certificate, identity.certificate_pem),
            GuestFile(self.key, key, 0o600),
        )


@dataclass(frozen=True)
class RequestedCertificate:
    """A certificate that a component requests from its cluster, and keeps in files of its own."""

    node: str
    domain: TrustDomain
    files: str
    """Paths in the guest, as a shell pattern. Without them the component requests another one."""
    unit: str


@runtime_checkable
class HoldsTrust(Protocol):
    """A control plane or an edge runtime whose authority can be replaced. What it declares here is
    all that the authority has signed, together with `HoldsCertificates`."""

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        """All files by which its components trust, on the server node and on edge nodes."""
        ...

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        """Where its components sign."""
        ...

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """Beside those of `certificates`: nobody notes that one of them was used."""
        ...

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        """Those that its components request themselves."""
        ...


@runtime_checkable
class KeepsAuthority(Protocol):
    """A control plane or an edge runtime whose authority the lab does not replace."""

    @property
    def why_authority_stays(self) -> str:
        """The reason, as a sentence for whoever asks for it."""
        ...


_DATA = "certificate-authority-data"


def _clusters(document: Any) -> list[dict[str, Any]]:
    return [entry["cluster"] for entry in document["clusters"]]


def _from_kubeconfig(content: bytes) -> bytes:
    clusters = _clusters(yaml.safe_load(content))
    return b"".join(base64.b64decode(cluster.get(_DATA, "")) for cluster in clusters)


def _into_kubeconfig(content: bytes, bundle: bytes) -> bytes:
    document = yaml.safe_load(content)
    for cluster in _clusters(document):
        cluster[_DATA] = base64.b64encode(bundle).decode("ascii")
    return yaml_text(document).encode()


_READ: Mapping[TrustForm, Callable[[bytes], bytes]] = MappingProxyType(
    {TrustForm.PEM: lambda content: content, TrustForm.KUBECONFIG: _from_kubeconfig}
)
_WRITE: Mapping[TrustForm, Callable[[bytes, bytes], bytes]] = MappingProxyType(
    {TrustForm.PEM: lambda _, bundle: bundle, TrustForm.KUBECONFIG: _into_kubeconfig}
)
