"""Trust bundles on nodes, which determine the authorities that components trust."""

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
    """The format of certificates of authorities in a file."""

    PEM = "pem"
    """Concatenated certificates, and nothing else."""
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
    """Units that read it, in the order in which they are to be restarted."""
    form: TrustForm = TrustForm.PEM

    def authorities(self, content: bytes) -> tuple[x509.Certificate, ...]:
        """The trusted authorities in a file with that content."""
        pem = _READ[self.form](content)
        return tuple(x509.load_pem_x509_certificates(pem))

    def trusting(self, content: bytes, authorities: Iterable[bytes]) -> bytes:
        """That content, with its authorities replaced by these (PEM)."""
        return _WRITE[self.form](content, b"".join(authorities))


@dataclass(frozen=True)
class InstalledAuthority:
    """An authority with its key on a node, where a component signs with it.

    Kubernetes' controller manager accepts a single certificate here instead of a bundle, so this is
    separate from the trust bundles.
    """

    node: str
    domain: TrustDomain
    certificate: str
    """Path in the guest."""
    key: str
    unit: str
    sec1: bool = False
    """The component reads only keys in SEC 1 ("EC PRIVATE KEY"); otherwise PKCS#8."""
    is_all_that_is_trusted: bool = False
    """The component also verifies its clients only against this certificate: it cannot trust an
    authority and its successor at the same time."""

    @property
    def paths(self) -> tuple[str, str]:
        return (self.certificate, self.key)

    def files(self, identity: Identity) -> tuple[GuestFile, GuestFile]:
        """The files on the node if it signs with `identity`."""
        key = sec1_pem(identity.key_pem) if self.sec1 else identity.key_pem
        return (
            GuestFile(self.certificate, identity.certificate_pem),
            GuestFile(self.key, key, 0o600),
        )


@dataclass(frozen=True)
class RequestedCertificate:
    """A certificate that a component requests from its cluster, and stores in its own files."""

    node: str
    domain: TrustDomain
    files: str
    """Paths in the guest, as a shell pattern. If missing, the component requests a new one."""
    unit: str


@runtime_checkable
class HoldsTrust(Protocol):
    """A control plane or an edge runtime whose authority can be replaced. Together with
    `HoldsCertificates` it declares all certificates of the authority."""

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        """All trust bundles of its components, on the server node and on edge nodes."""
        ...

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        """The files with which its components sign."""
        ...

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """Certificates besides those of `certificates`, whose use cannot be observed."""
        ...

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        """Certificates that its components request themselves."""
        ...


@runtime_checkable
class KeepsAuthority(Protocol):
    """A control plane or an edge runtime whose authority the lab does not replace."""

    @property
    def why_authority_stays(self) -> str:
        """The reason, as a sentence for the user."""
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
