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
            tuple(bundle for bundle in platform.trust_bundles(topology) if bundle.domain == domain),
            tuple(
                authority
                for authority in stack.installed_authorities(topology)
                if authority.domain == domain
            ),
            tuple(
                certificate
                for certificate in platform.certificates(topology)
                if certificate.signer == signer
            ),
            tuple(
                certificate
                for certificate in platform.further_certificates(topology)
                if certificate.signer == signer
            ),
            tuple(
                certificate
                for certificate in stack.requested_certificates(topology)
                if certificate.domain == domain
            ),
            tuple(file for file in stack.secret_files(topology) if file.domain == domain),
        )

    def on(self, node: str) -> Holdings:
        """The holdings of one node."""
        return Holdings(
            tuple(bundle for bundle in self.bundles if bundle.node == node),
            tuple(signer for signer in self.signers if signer.node == node),
            tuple(certificate for certificate in self.witnessed if certificate.node == node),
            tuple(certificate for certificate in self.further if certificate.node == node),
            tuple(certificate for certificate in self.requested if certificate.node == node),
            tuple(file for file in self.adopted if file.node == node),
        )

    @property
    def by_signer_alone(self) -> bool:
        """Whether clients are verified against the signing certificate instead of a bundle."""
        return any(signer.is_all_that_is_trusted for signer in self.signers)

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
