"""The certificates that probes present, signed by the lab's own authorities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Address

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from edge_lab.pki import Authority, CertificateSpec, Identity, KeyKind, Usage
from edge_lab.pki.authority import load_key
from edge_lab.probes.sha1 import issue_over_sha1

WEAK_BITS = 1024
NOBODY = "edge-lab:nobody"
ELSEWHERE = "elsewhere.invalid"
TEST_NET = IPv4Address("192.0.2.1")
"""Reserved for documentation (RFC 5737), so it is not in use."""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Mint:
    """Makes certificates for the peer that is to be admitted (`right`), and all wrong ones."""

    authority: Authority
    """The authority that the endpoint trusts."""
    right: CertificateSpec
    other: CertificateSpec | None = None
    """Another node's."""

    @cached_property
    def _foreign(self) -> Authority:
        return Authority.create("edge-lab foreign CA")

    @cached_property
    def _same_name(self) -> Authority:
        """It has the name of the real authority, but another key."""
        names = self.authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return Authority.create(str(names[0].value) if names else "edge-lab cluster CA")

    def good(self) -> Identity:
        return self.authority.issue(self.right)

    def foreign(self) -> Identity:
        return self._foreign.issue(self.right)

    def foreign_of_same_name(self) -> Identity:
        return self._same_name.issue(self.right)

    def self_signed(self) -> Identity:
        """The right name, self-signed."""
        return Authority.create(self.right.common_name).identity

    def wrong_name(self) -> Identity:
        return self.authority.issue(CertificateSpec(NOBODY))

    def expired(self) -> Identity:
        return self._at(datetime.now(UTC) - 2 * DAY)

    def not_yet_valid(self) -> Identity:
        return self._at(datetime.now(UTC) + DAY)

    def _at(self, starts: datetime) -> Identity:
        return self.authority.issue(replace(self.right, starts=starts, lifetime=DAY))

    def server_certificate(self) -> Identity:
        """Valid for servers only."""
        return self.authority.issue(replace(self.right, usages=(Usage.SERVER,)))

    def server_of_another_name(self) -> Identity:
        """From the right authority, for a name and an address that do not exist in the lab."""
        elsewhere = replace(
            self.right,
            common_name=NOBODY,
            dns_names=(ELSEWHERE,),
            addresses=(TEST_NET,),
            # Of the same SPIFFE trust domain.
            uris=tuple(f"{uri}/{ELSEWHERE}" for uri in self.right.uris),
        )
        return self.authority.issue(elsewhere)

    def self_signed_server(self) -> Identity:
        """All the right names, self-signed."""
        own = Authority.create(self.right.common_name)
        return own.issue(self.right, key=load_key(own.identity.key_pem))

    def client_certificate(self) -> Identity:
        """All the right names, valid for clients only."""
        return self.authority.issue(replace(self.right, usages=(Usage.CLIENT,)))

    def weak_key(self) -> Identity:
        key = rsa.generate_private_key(public_exponent=65537, key_size=WEAK_BITS)
        return self.authority.issue(replace(self.right, key=KeyKind.RSA), key=key)

    def sha1_signature(self) -> Identity:
        return issue_over_sha1(self.authority, self.right)

    def other_node(self) -> Identity | None:
        return None if self.other is None else self.authority.issue(self.other)
