"""What the parts of a lab request of its `Pki`: trust domains, identities, signing keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.core.names import is_name
from edge_lab.pki.authority import CertificateSpec, KeyKind

_FILE_STEM = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True)
class TrustDomain:
    """An authority of its own: what it signs is trusted where it is trusted, and nowhere else."""

    name: str
    """A name as of nodes; its folder on disk."""
    common_name: str
    """Of the authority's certificate."""
    key: KeyKind = KeyKind.EC
    intermediates: int = 0
    """How many authorities may stand in a row between this one and what it vouches for."""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise LabError(f"{self.name!r} is not a valid name of a trust domain")


@dataclass(frozen=True)
class IdentityRequest:
    """A key, and a certificate for it by the authority of `domain`."""

    domain: TrustDomain
    name: str
    """Of its files below the domain's folder; unlike `ca`, which is the authority."""
    spec: CertificateSpec

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True)
class SigningKeyRequest:
    """A key pair without a certificate: what signs tokens, and what verifies them."""

    domain: TrustDomain
    name: str

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True)
class AuthorityRequest:
    """The authority of a trust domain alone: for a component that signs by it."""

    domain: TrustDomain
    name: str = "ca"


Request = IdentityRequest | SigningKeyRequest | AuthorityRequest


def _check_name(name: str) -> None:
    if not _FILE_STEM.fullmatch(name) or name == "ca":
        raise LabError(f"{name!r} is not a valid name of an identity")
