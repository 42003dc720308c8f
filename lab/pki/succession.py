"""The replacement of an authority in the three steps that Kubernetes documents.

https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from edge_lab.pki.authority import Authority


class Stage(IntEnum):
    """The stages of a replacement. During a transition, nodes may be in either of two stages."""

    BEFORE = 0
    BOTH_TRUSTED = 1
    """All parts trust both authorities; certificates are still from the old one."""
    NEW_SHOWN = 2
    """Certificates, and everything that is signed from now on, are from the new one."""
    OLD_REMOVED = 3
    """The old one is no longer trusted: its certificates are refused everywhere."""


@dataclass(frozen=True)
class Succession:
    """An authority and its successor, with the same name or another one."""

    old: Authority
    new: Authority

    def trusted(self, stage: Stage) -> tuple[bytes, ...]:
        """The certificates (PEM) in each trust bundle at that stage."""
        old, new = self.old.certificate_pem, self.new.certificate_pem
        if stage is Stage.BEFORE:
            return (old,)
        return (new,) if stage is Stage.OLD_REMOVED else (old, new)

    def accepted(self, stage: Stage, *, by_signer_alone: bool) -> tuple[bytes, ...]:
        """The authorities (PEM) whose certificates are accepted at that stage. `by_signer_alone`:
        clients are verified against the signing certificate instead of a bundle."""
        return (self.signer(stage).certificate_pem,) if by_signer_alone else self.trusted(stage)

    def signer(self, stage: Stage) -> Authority:
        """The authority whose certificates are presented at that stage."""
        return self.old if stage < Stage.NEW_SHOWN else self.new
