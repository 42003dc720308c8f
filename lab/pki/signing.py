"""The signers of certificates on nodes: the lab, or the running cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_lab.pki.authority import Authority
from edge_lab.pki.pki import Pki
from edge_lab.pki.requests import TrustDomain


class KeyAccess(Protocol):
    """Access to the keys of authorities of a running lab."""

    @property
    def pki(self) -> Pki:
        """The lab's own."""
        ...

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """The content of a Secret of the cluster; LabError if there is none."""
        ...


class Signer(Protocol):
    """The signer of a certificate on a node."""

    def authority(self, keys: KeyAccess) -> Authority:
        """The authority with its key; LabError if the running lab has none yet."""
        ...


@dataclass(frozen=True)
class LabSigner:
    """An authority of the lab."""

    domain: TrustDomain

    def authority(self, keys: KeyAccess) -> Authority:
        return keys.pki.authority(self.domain)


@runtime_checkable
class BringsAuthorities(Protocol):
    """A control plane or an edge runtime that creates authorities itself."""

    @property
    def signers(self) -> Mapping[TrustDomain, Signer]:
        """By trust domain; the lab signs in all other domains."""
        ...
