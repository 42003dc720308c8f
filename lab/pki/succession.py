"""One authority takes the place of another, in Kubernetes' own three steps.

https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from edge_lab.pki.authority import Authority


class Stage(IntEnum):
    """How far it is. While nodes go from one to the next, some are in either."""

    BEFORE = 0
    BOTH_TRUSTED = 1
    """Everybody trusts the old and the new one; what is shown is still by the old."""
    NEW_SHOWN = 2
    """What is shown, and what is signed from now on, is by the new one."""
    OLD_REMOVED = 3
    """Nobody trusts the old one any more: what it has signed is turned away everywhere."""


@dataclass(frozen=True)
class Succession:
    """An authority and its successor, of the same name or of another."""

    old: Authority
    new: Authority

    def trusted(self, stage: Stage) -> tuple[bytes, ...]:
        """The certificates (PEM) in each trust bundle at that stage."""
        old, new = self.old.certificate_pem, self.new.certificate_pem
        if stage is Stage.BEFORE:
            return (old,)
        return (new,) if stage is Stage.OLD_REMOVED else (old, new)

    def accepted(self, stage: Stage, *, by_signer_alone: bool) -> tuple[bytes, ...]:
        """The authorities (PEM) whose certificates get in at that stage. `by_signer_alone` where
        clients are verified by what signs and not by a bundle."""
        return (self.signer(stage).certificate_pem,) if by_signer_alone else self.trusted(stage)

    def signer(self, stage: Stage) -> Authority:
        """Whose certificates are shown at that stage."""
        return self.old if stage < Stage.NEW_SHOWN else self.new
