"""Certificates where they lie on nodes, so that one can be replaced while its lab runs."""

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
    """What a client writes to its journal of a peer that is not the API server: regular expressions
    that `grep -E` and Python read alike."""

    let_in: str
    turned_away: str
    """For its certificate, and for nothing else."""


@dataclass(frozen=True)
class InstalledCertificate:
    """One certificate of a component on a node, and what the component needs to take another."""

    name: str
    """As faults call it; of one node, each has another."""
    node: str
    spec: CertificateSpec
    """What stands in it."""
    signer: Signer
    certificate: str
    """Path in the guest."""
    key: str
    """The same path as `certificate`: one file with both."""
    unit: str
    """The systemd unit of the component."""
    reloads: bool = False
    """It takes a new one from its files by itself, within a minute or so; else by a restart."""
    renews: bool = False
    """The component asks for another one itself when most of the life of this one is over."""
    shown_at: tuple[IPv4Address, int] | None = None
    """Where a server shows it; None for what a client shows."""
    log: ClientLog | None = None
    """Of a client that shows it to another peer than the API server."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All of its files."""
        return tuple(dict.fromkeys((self.certificate, self.key)))

    def files(self, identity: Identity) -> tuple[GuestFile, ...]:
        """What lies on the node when it has `identity`."""
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
        """Those on the server node and on edge nodes."""
        ...
