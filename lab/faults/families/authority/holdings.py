"""What stack and add-ons declare about one certificate authority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.pki import (
    InstalledAuthority,
    InstalledCertificate,
    RequestedCertificate,
    SecretFile,
    Stage,
    Succession,
    TrustBundle,
    TrustDomain,
)

if TYPE_CHECKING:
    from edge_lab.addons import Platform
    from edge_lab.topology import Topology


@dataclass(frozen=True)
class Holdings:
    """Who trusts an authority, who signs with it, and which certificates it has signed."""

    bundles: tuple[TrustBundle, ...]
    signers: tuple[InstalledAuthority, ...]
    witnessed: tuple[InstalledCertificate, ...]
    """Certificates whose use can be observed."""
    further: tuple[InstalledCertificate, ...]
    requested: tuple[RequestedCertificate, ...]
    adopted: tuple[SecretFile, ...] = ()
    """Files that replace Secrets while the authority is being replaced."""

    @classmethod
    def of(cls, platform: Platform, topology: Topology, domain: TrustDomain) -> Holdings:
        stack = platform.stack
        signer = stack.signer(domain)
        return cls(
            tuple(it for it in platform.trust_bundles(topology) if it.domain == domain),
            tuple(it for it in stack.installed_authorities(topology) if it.domain == domain),
            tuple(it for it in platform.certificates(topology) if it.signer == signer),
            tuple(it for it in platform.further_certificates(topology) if it.signer == signer),
            tuple(it for it in stack.requested_certificates(topology) if it.domain == domain),
            tuple(it for it in stack.secret_files(topology) if it.domain == domain),
        )

    def on(self, node: str) -> Holdings:
        """The holdings of one node."""
        return Holdings(
            tuple(it for it in self.bundles if it.node == node),
            tuple(it for it in self.signers if it.node == node),
            tuple(it for it in self.witnessed if it.node == node),
            tuple(it for it in self.further if it.node == node),
            tuple(it for it in self.requested if it.node == node),
            tuple(it for it in self.adopted if it.node == node),
        )

    @property
    def by_signer_alone(self) -> bool:
        """Whether clients are verified against the signing certificate instead of a bundle."""
        return any(it.is_all_that_is_trusted for it in self.signers)

    def accepted(self, succession: Succession, stage: Stage) -> tuple[bytes, ...]:
        """The authorities (PEM) whose certificates are accepted at that stage."""
        return succession.accepted(stage, by_signer_alone=self.by_signer_alone)

    @property
    def certificates(self) -> tuple[InstalledCertificate, ...]:
        return (*self.witnessed, *self.further)

    @property
    def units(self) -> tuple[str, ...]:
        """All units that read one of these files, in the order in which they are restarted: those
        that read a bundle, as declared, then the others."""
        trusting = [unit for bundle in self.bundles for unit in bundle.units]
        showing = {
            *(held.unit for held in self.certificates),
            *(held.unit for held in self.signers),
            *(held.unit for held in self.requested),
        }
        return tuple(dict.fromkeys((*trusting, *sorted(showing))))
