"""Replaces a certificate on a node, and restores the original one.

The original is kept on the node beside the new one, as its key may have no other copy.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from edge_lab.core.errors import InputError
from edge_lab.faults.families.certificate.guestfiles import GuestFiles
from edge_lab.faults.families.certificate.kinds import Issuer, ReplaceCertificate
from edge_lab.faults.families.certificate.sight import Met, Sight
from edge_lab.faults.family import Injector
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit, prove
from edge_lab.faults.undo import undoing
from edge_lab.pki import Identity, InstalledCertificate, KeyAccess

if TYPE_CHECKING:
    from edge_lab.machines import Machine

TAKEN_SECONDS = 180.0
"""Seconds from a new certificate on a node until it is presented: the API server reloads its
files once a minute, and everything else is restarted, on an emulated CPU."""

LOOK_EVERY = 1.0
"""Seconds between checks; each runs a program on the server node."""

ORIGINAL = ".edge-lab-original"
"""Suffix of the original files, beside those that replace them."""

YOUNG = timedelta(seconds=30)
"""How long ago a short-lived certificate became valid whose component renews it at 70 % of its
lifetime: enough for a clock that is behind, but too little for an immediate renewal."""


class CertificateInjector(Injector[ReplaceCertificate]):
    """Replaces certificates of one lab, and restores the originals."""

    def __init__(
        self,
        *,
        machines: Mapping[str, Machine],
        keys: KeyAccess,
        installed: Sequence[InstalledCertificate],
        sight: Sight,
        limit: TimeLimit,
    ) -> None:
        self._machines = machines
        self._keys = keys
        self._installed = {(held.node, held.name): held for held in installed}
        self._sight = sight
        self._limit = limit
        self._files = GuestFiles(limit, ORIGINAL)

    def check(self, fault: ReplaceCertificate) -> None:
        self._find(fault)

    def inject(self, fault: ReplaceCertificate) -> str:
        with undoing(lambda: self.heal(fault)):
            held = self._find(fault)
            identity = self._issue(held, fault)
            since = self._sight.now()
            machine = self._machines[held.node]
            self._files.keep(machine, held.paths)
            self._files.write(machine, held.files(identity))
            return self._taken(held, identity.certificate, since, _effects(fault))

    def heal(self, fault: ReplaceCertificate) -> str:
        held = self._find(fault)
        since = self._sight.now()
        certificate = self._restore(held)
        return self._taken(held, certificate, since, frozenset({Met.LET_IN}))

    def _find(self, fault: ReplaceCertificate) -> InstalledCertificate:
        found = self._installed.get((fault.node, fault.certificate))
        if found is None:
            known = [name for node, name in self._installed if node == fault.node]
            raise InputError(
                f"{fault.node} has no certificate {fault.certificate!r} that can be replaced",
                remedy=f"Available there: {', '.join(known) or 'none on this stack'}.",
            )
        return found

    def _issue(self, held: InstalledCertificate, fault: ReplaceCertificate) -> Identity:
        authority = held.signer.authority(self._keys)
        if fault.issuer is Issuer.FOREIGN:
            authority = authority.impostor()
        spec = held.spec
        if fault.valid_s is not None:
            lifetime = timedelta(seconds=fault.valid_s)
            spec = replace(spec, lifetime=lifetime)
            if held.renews:
                began = datetime.now(UTC) - YOUNG
                spec = replace(spec, starts=began, lifetime=YOUNG + lifetime)
        return authority.issue(spec)

    def _taken(
        self,
        held: InstalledCertificate,
        certificate: x509.Certificate,
        since: str,
        effects: frozenset[Met],
    ) -> str:
        """Returns when the peer has seen the certificate that is on the node; for a client's
        certificate, when the peer's reaction was one of `effects`."""
        if not held.reloads:
            self._run(self._machines[held.node], f"systemctl restart {shlex.quote(held.unit)}")
        return prove(
            f"the certificate {held.name} of {held.node} is in use",
            lambda: self._sight.in_use(held, certificate, since, effects),
            self._limit(TAKEN_SECONDS),
            every=LOOK_EVERY,
        )

    def _restore(self, held: InstalledCertificate) -> x509.Certificate:
        """Restores the files that were kept, and reads the certificate that is then in place."""
        machine = self._machines[held.node]
        self._files.put_back(machine, held.paths)
        content = machine.read(held.certificate, self._limit(COMMAND_SECONDS))
        return x509.load_pem_x509_certificate(content)

    def _run(self, machine: Machine, command: str) -> None:
        machine.run(command, self._limit(COMMAND_SECONDS))


def _effects(fault: ReplaceCertificate) -> frozenset[Met]:
    """The expected reactions of a peer to the certificate of a fault."""
    if fault.issuer is Issuer.FOREIGN:
        return frozenset({Met.REFUSED})
    if fault.valid_s is None:
        return frozenset({Met.LET_IN})
    return frozenset({Met.LET_IN, Met.REFUSED})
