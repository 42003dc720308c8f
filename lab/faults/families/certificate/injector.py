"""Replaces a certificate on a node, and restores the original one."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.certificate.kinds import Issuer, ReplaceCertificate
from edge_lab.faults.families.certificate.sight import Met, Sight, fingerprint
from edge_lab.faults.family import Injector
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit, prove
from edge_lab.faults.undo import undoing
from edge_lab.pki import Authority, Identity, InstalledCertificate, Pki

if TYPE_CHECKING:
    from edge_lab.machines import Machine

TAKEN_SECONDS = 180.0
"""Seconds from a new certificate on a node until it is presented: the API server reloads its
files once a minute, and everything else is restarted, on an emulated CPU."""

LOOK_EVERY = 1.0
"""Seconds between two checks; each runs a program on the server node."""

DRAFT = ".edge-lab-next"


class CertificateInjector(Injector[ReplaceCertificate]):
    """Replaces certificates of one lab, and restores those of its keys folder."""

    def __init__(
        self,
        *,
        machines: Mapping[str, Machine],
        pki: Callable[[], Pki],
        installed: Sequence[InstalledCertificate],
        sight: Sight,
        limit: TimeLimit,
    ) -> None:
        self._machines = machines
        self._pki = pki
        self._installed = {(held.node, held.name): held for held in installed}
        self._sight = sight
        self._limit = limit

    def check(self, fault: ReplaceCertificate) -> None:
        self._find(fault)

    def inject(self, fault: ReplaceCertificate) -> str:
        with undoing(lambda: self.heal(fault)):
            held = self._find(fault)
            return self._lay(held, self._issue(held, fault), _effects(fault))

    def heal(self, fault: ReplaceCertificate) -> str:
        held = self._find(fault)
        first = self._pki().identity(held.request.domain, held.request.name)
        return self._lay(held, first, frozenset({Met.LET_IN}))

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
        authority = self._pki().authority(held.request.domain)
        if fault.issuer is Issuer.FOREIGN:
            domain = held.request.domain
            authority = Authority.create(domain.common_name, domain.key)
        spec = held.request.spec
        if fault.valid_s is not None:
            spec = replace(spec, lifetime=timedelta(seconds=fault.valid_s))
        return authority.issue(spec)

    def _lay(self, held: InstalledCertificate, identity: Identity, effects: frozenset[Met]) -> str:
        """Returns when the peer has seen the certificate; if the peer is the API server, when its
        reaction was one of `effects`."""
        machine = self._machines[held.node]
        since = self._sight.now()
        self._write(machine, held, identity)
        if not held.reloads:
            self._run(machine, f"systemctl restart {shlex.quote(held.unit)}")
        return prove(
            f"the certificate {held.name} of {held.node} is in use",
            lambda: self._seen(held, identity, since, effects),
            self._limit(TAKEN_SECONDS),
            every=LOOK_EVERY,
        )

    def _write(self, machine: Machine, held: InstalledCertificate, identity: Identity) -> None:
        """Replaces all files as atomically as possible: written to drafts first, then renamed."""
        files = held.files(identity)
        limit = self._limit(COMMAND_SECONDS)
        for file in files:
            machine.write(replace(file, path=file.path + DRAFT), limit)
        moves = (
            f"mv -f -- {shlex.quote(file.path + DRAFT)} {shlex.quote(file.path)}" for file in files
        )
        self._run(machine, " && ".join(moves))
        for file in files:
            if machine.read(file.path, limit) != file.content:
                raise LabError(f"no effect was seen: {machine.name} has another {file.path}")

    def _seen(
        self, held: InstalledCertificate, identity: Identity, since: str, effects: frozenset[Met]
    ) -> str:
        certificate = identity.certificate
        name = f"certificate {fingerprint(certificate)[:16]}"
        if held.shown_at is not None:
            return f"{name} is shown" if self._sight.shown(certificate, *held.shown_at) else ""
        met = self._sight.met(certificate, since)
        return f"{name} was {met} by the API server" if met in effects else ""

    def _run(self, machine: Machine, command: str) -> None:
        machine.run(command, self._limit(COMMAND_SECONDS))


def _effects(fault: ReplaceCertificate) -> frozenset[Met]:
    """The reactions of the API server to the certificate of an injected fault."""
    if fault.issuer is Issuer.FOREIGN:
        return frozenset({Met.TURNED_AWAY})
    if fault.valid_s is None:
        return frozenset({Met.LET_IN})
    return frozenset({Met.LET_IN, Met.TURNED_AWAY})
