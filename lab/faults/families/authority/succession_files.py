"""The stage of a replacement and both authorities, read from the files of the server node."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from edge_lab.core.errors import LabError
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit
from edge_lab.pki import (
    Authority,
    Identity,
    InstalledAuthority,
    KeyAccess,
    SecretFile,
    Stage,
    Succession,
    TrustBundle,
)
from edge_lab.provisioning.provision import GuestFile

if TYPE_CHECKING:
    from edge_lab.machines import Machine

SUCCESSOR, PREDECESSOR = ".edge-lab-successor", ".edge-lab-predecessor"
"""Suffixes of the certificates and keys of both authorities, beside those in use. They are kept on
the node, so that they are saved and restored with its disk."""


@dataclass(frozen=True)
class SuccessionFiles:
    """The files on the node where the authority signs."""

    machine: Machine
    signer: InstalledAuthority
    bundle: TrustBundle
    bundle_machine: Machine
    """The node with the bundle: the same one, unless only others have a bundle."""
    signs: Callable[[], Authority]
    """Returns the current authority of the lab or the cluster, which may be the successor."""
    adopted: tuple[SecretFile, ...]
    """Files on this node that replace Secrets meanwhile."""
    keys: KeyAccess
    limit: TimeLimit

    @property
    def old(self) -> Authority:
        """The authority that is or will be replaced."""
        if self._exists(self.signer.key + PREDECESSOR):
            return self._read(PREDECESSOR)
        return self.signs()

    def succession(self) -> Succession:
        """Both authorities; LabError if there is no successor."""
        if not self._has_successor():
            raise LabError(f"the authority on {self.machine.name} has no successor")
        return Succession(self.old, self._read(SUCCESSOR))

    def begin(self) -> Succession:
        """Both authorities; creates a successor of the same name if there is none."""
        if self._has_successor():
            return self.succession()
        deadline = self.limit(COMMAND_SECONDS)
        for file in self.adopted:
            self.machine.write(file.read(self.keys), deadline)
        old = self.signs()
        new = old.impostor()
        self._write(old, PREDECESSOR)
        self._write(new, SUCCESSOR)
        return Succession(old, new)

    def end(self) -> None:
        """Removes the successor, and the files that replace Secrets."""
        kept = [path + end for end in (SUCCESSOR, PREDECESSOR) for path in self.signer.paths]
        paths = [*kept, *(file.path for file in self.adopted)]
        names = " ".join(map(shlex.quote, paths))
        self.machine.run(f"rm -f -- {names}", self.limit(COMMAND_SECONDS))

    def stage(self) -> Stage:
        """The stage that the files show."""
        if not self._has_successor():
            return Stage.BEFORE
        deadline, old = self.limit(COMMAND_SECONDS), self.old.certificate
        trusted = self.bundle.authorities(self.bundle_machine.read(self.bundle.path, deadline))
        if old not in trusted:
            return Stage.OLD_REMOVED
        signs = x509.load_pem_x509_certificate(self.machine.read(self.signer.certificate, deadline))
        if signs != old:
            return Stage.NEW_SHOWN
        return Stage.BOTH_TRUSTED if len(trusted) > 1 else Stage.BEFORE

    def _read(self, end: str) -> Authority:
        deadline = self.limit(COMMAND_SECONDS)
        certificate, key = (path + end for path in self.signer.paths)
        return Authority(
            Identity(self.machine.read(certificate, deadline), self.machine.read(key, deadline))
        )

    def _write(self, authority: Authority, end: str) -> None:
        deadline = self.limit(COMMAND_SECONDS)
        certificate, key = (path + end for path in self.signer.paths)
        self.machine.write(GuestFile(certificate, authority.identity.certificate_pem), deadline)
        self.machine.write(GuestFile(key, authority.identity.key_pem, 0o600), deadline)

    def _has_successor(self) -> bool:
        return self._exists(self.signer.key + SUCCESSOR)

    def _exists(self, path: str) -> bool:
        command = f"test -e {shlex.quote(path)}"
        done = self.machine.run(command, self.limit(COMMAND_SECONDS), check=False)
        return done.returncode == 0
