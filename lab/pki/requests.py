"""Requests of the parts of a lab to its `Pki`: trust domains, identities, signing keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.core.names import is_name
from edge_lab.pki.authority import CertificateSpec, KeyKind

_FILE_STEM = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True)
class TrustDomain:
    """A separate authority: its certificates are trusted only where the authority is trusted."""

    name: str
    """Its name, by the same rule as for nodes; also the name of its folder."""
    common_name: str
    """Common name of the authority's certificate."""
    key: KeyKind = KeyKind.EC
    intermediates: int = 0
    """Maximum number of intermediate authorities in a chain."""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise LabError(f"{self.name!r} is not a valid name of a trust domain")


@dataclass(frozen=True)
class IdentityRequest:
    """A key, and a certificate for it from the authority of `domain`."""

    domain: TrustDomain
    name: str
    """Name of its files in the domain's folder; not `ca`, which is the authority."""
    spec: CertificateSpec

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True)
class SigningKeyRequest:
    """A key pair without a certificate, to sign and verify tokens."""

    domain: TrustDomain
    name: str

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True)
class AuthorityRequest:
    """Only the authority of a trust domain, for a component that signs with it."""

    domain: TrustDomain
    name: str = "ca"


Request = IdentityRequest | SigningKeyRequest | AuthorityRequest


def _check_name(name: str) -> None:
    if not _FILE_STEM.fullmatch(name) or name == "ca":
        raise LabError(f"{name!r} is not a valid name of an identity")
