"""Certificates where they lie on nodes, so that one can be replaced while its lab runs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol, runtime_checkable

from edge_lab.pki.authority import Identity
from edge_lab.pki.requests import IdentityRequest
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology


@dataclass(frozen=True)
class InstalledCertificate:
    """One certificate of a component on a node, and what the component needs to take another."""

    name: str
    """As faults call it; of one node, each has another."""
    node: str
    request: IdentityRequest
    """What it was made by."""
    certificate: str
    """Path in the guest."""
    key: str
    """The same path as `certificate`: one file with both."""
    unit: str
    """The systemd unit of the component."""
    reloads: bool = False
    """It takes a new one from its files by itself, within a minute or so; else by a restart."""
    shown_at: tuple[IPv4Address, int] | None = None
    """Where a server shows it; None for what a client shows to the API server."""

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
