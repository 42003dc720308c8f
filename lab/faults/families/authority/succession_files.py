"""How far an authority has been replaced, and by whom: read from the files of the server node."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from edge_lab.core.errors import LabError
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit
from edge_lab.pki import (
    Authority,
    Identity,
    InstalledAuthority,
    Stage,
    Succession,
    TrustBundle,
)
from edge_lab.provisioning.provision import GuestFile

if TYPE_CHECKING:
    from edge_lab.machines import Machine

SUCCESSOR = ".edge-lab-successor"
"""Ending of the successor's certificate and key, beside those that sign. They are kept on the node,
so that they go with its disk into a checkpoint and out of it."""


@dataclass(frozen=True)
class SuccessionFiles:
    """Those of the node where the authority signs."""

    machine: Machine
    signer: InstalledAuthority
    bundle: TrustBundle
    old: Authority
    limit: TimeLimit

    def succession(self) -> Succession:
        """LabError if there is no successor."""
        certificate, key = self._paths
        deadline = self.limit(COMMAND_SECONDS)
        if not self._exists():
            raise LabError(f"the authority on {self.machine.name} has no successor")
        identity = Identity(
            self.machine.read(certificate, deadline), self.machine.read(key, deadline)
        )
        return Succession(self.old, Authority(identity))

    def begin(self) -> Succession:
        """The successor that there is, or a new one of the same name."""
        if self._exists():
            return self.succession()
        new = self.old.impostor()
        certificate, key = self._paths
        deadline = self.limit(COMMAND_SECONDS)
        self.machine.write(GuestFile(certificate, new.identity.certificate_pem), deadline)
        self.machine.write(GuestFile(key, new.identity.key_pem, 0o600), deadline)
        return Succession(self.old, new)

    def end(self) -> None:
        """There is no successor any more."""
        names = " ".join(map(shlex.quote, self._paths))
        self.machine.run(f"rm -f -- {names}", self.limit(COMMAND_SECONDS))

    def stage(self) -> Stage:
        """How far the node is."""
        if not self._exists():
            return Stage.BEFORE
        deadline = self.limit(COMMAND_SECONDS)
        trusted = self.bundle.authorities(self.machine.read(self.bundle.path, deadline))
        if self.old.certificate not in trusted:
            return Stage.OLD_REMOVED
        signs = x509.load_pem_x509_certificate(self.machine.read(self.signer.certificate, deadline))
        if signs != self.old.certificate:
            return Stage.NEW_SHOWN
        return Stage.BOTH_TRUSTED if len(trusted) > 1 else Stage.BEFORE

    @property
    def _paths(self) -> tuple[str, str]:
        return self.signer.certificate + SUCCESSOR, self.signer.key + SUCCESSOR

    def _exists(self) -> bool:
        command = f"test -e {shlex.quote(self._paths[1])}"
        done = self.machine.run(command, self.limit(COMMAND_SECONDS), check=False)
        return done.returncode == 0
