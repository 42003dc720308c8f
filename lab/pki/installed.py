"""Certificates in files on nodes, so that they can be replaced in a running lab."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol, runtime_checkable

from edge_lab.pki.authority import CertificateSpec, Identity
from edge_lab.pki.signing import Signer
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology


@dataclass(frozen=True)
class ClientLog:
    """Journal lines of a client about a peer other than the API server: regular expressions that
    mean the same for `grep -E` and Python."""

    let_in: str
    refused: str
    """Refused because of its certificate, and for no other reason."""


@dataclass(frozen=True)
class InstalledCertificate:
    """A certificate of a component on a node, and how the component loads a new one."""

    name: str
    """Its name in faults; unique on a node."""
    node: str
    spec: CertificateSpec
    """Its content."""
    signer: Signer
    certificate: str
    """Path in the guest."""
    key: str
    """May be the same path as `certificate`: one file with both."""
    unit: str
    """The systemd unit of the component."""
    reloads: bool = False
    """The component reloads its files within about a minute; otherwise it must be restarted."""
    renews: bool = False
    """The component renews it when most of its lifetime is over."""
    shown_at: tuple[IPv4Address, int] | None = None
    """Where a server presents it; None for a client certificate."""
    log: ClientLog | None = None
    """For a client whose peer is not the API server."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All of its files."""
        return tuple(dict.fromkeys((self.certificate, self.key)))

    def files(self, identity: Identity) -> tuple[GuestFile, ...]:
        """The files on the node with `identity`."""
        if self.key == self.certificate:
            return (GuestFile(self.certificate, identity.combined_pem, 0o600),)
        return (
            GuestFile(self.certificate, identity.certificate_pem),
            GuestFile(self.key, identity.key_pem, 0o600),
        )


@runtime_checkable
class HoldsCertificates(Protocol):
    """A control plane or an edge runtime whose certificates can be replaced."""

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """The certificates on the server node and on edge nodes."""
        ...
