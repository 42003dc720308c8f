"""Who signs the certificates that lie on nodes: the lab, or the running cluster itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_lab.pki.authority import Authority
from edge_lab.pki.pki import Pki
from edge_lab.pki.requests import TrustDomain


class KeyAccess(Protocol):
    """Where a running lab keeps the keys of authorities."""

    @property
    def pki(self) -> Pki:
        """The lab's own."""
        ...

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """What a Secret of the cluster holds; LabError if there is none."""
        ...


class Signer(Protocol):
    """The authority of a certificate on a node."""

    def authority(self, keys: KeyAccess) -> Authority:
        """It, with its key; LabError if a running lab has none yet."""
        ...


@dataclass(frozen=True)
class LabSigner:
    """An authority of the lab."""

    domain: TrustDomain

    def authority(self, keys: KeyAccess) -> Authority:
        return keys.pki.authority(self.domain)


@runtime_checkable
class BringsAuthorities(Protocol):
    """A control plane or an edge runtime that makes authorities of its own."""

    @property
    def signers(self) -> Mapping[TrustDomain, Signer]:
        """By trust domain; all other domains are the lab's."""
        ...
