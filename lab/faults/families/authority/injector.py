"""Takes a running lab from one stage of the replacement of an authority to the next, and back.

The server node first, then the edge nodes, one after the other. Meanwhile nodes of two successive
stages trust each other.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import status_time
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.step import step
from edge_lab.faults.families.authority.holdings import Holdings
from edge_lab.faults.families.authority.hosts import LOOK_EVERY, Hosts, Shown
from edge_lab.faults.families.authority.kinds import ReplaceAuthority
from edge_lab.faults.families.authority.stagetimes import StageTimes
from edge_lab.faults.families.authority.succession_files import SuccessionFiles
from edge_lab.faults.families.certificate.guestfiles import GuestFiles
from edge_lab.faults.families.certificate.keys import LabKeys
from edge_lab.faults.families.certificate.sight import Met, Sight
from edge_lab.faults.family import Injector, LabAccess
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit
from edge_lab.faults.undo import undoing
from edge_lab.pki import (
    CLUSTER,
    Authority,
    InstalledCertificate,
    KeyAccess,
    Signer,
    Stage,
    Succession,
    TrustDomain,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks.kubelet import NODE_CERTIFICATE
from edge_lab.stacks.readiness import approve_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_lab.machines import Machine

RESTART_SECONDS = 300.0
"""Seconds for the components of one node to restart; on an emulated server node that includes the
API server, until it serves."""

HOST_SECONDS = 300.0
"""Seconds for a process of the host to restart, and for all of its nodes, which may be hundreds, to
send a heartbeat."""

RETURN_SECONDS = 240.0
"""Seconds until a node works again; for yurthub, until its new certificate is approved."""

ORIGINAL = ".edge-lab-old-authority"
"""Suffix of the copies of certificates that the old authority has signed."""


class AuthorityInjector(Injector[ReplaceAuthority]):
    """Replaces one authority in one lab."""

    def __init__(
        self,
        *,
        cluster: ClusterAccess,
        machines: Mapping[str, Machine],
        keys: KeyAccess,
        signer: Signer,
        holdings: Holdings,
        hosts: Hosts | None,
        sight: Sight,
        limit: TimeLimit,
    ) -> None:
        """`hosts` are the kubeconfigs of the host; None if they use another authority."""
        self._cluster = cluster
        self._machines = machines
        self._keys = keys
        self._signer = signer
        self._holdings = holdings
        self._hosts = hosts
        self._sight = sight
        self._limit = limit
        self._files = GuestFiles(limit, ORIGINAL)

    @classmethod
    def of(cls, lab: LabAccess, limit: TimeLimit, domain: TrustDomain = CLUSTER) -> Self:
        cluster = ClusterAccess(lab.kubectl, lab.machines, lab.topology)
        return cls(
            cluster=cluster,
            machines=lab.machines,
            keys=LabKeys(lab, limit),
            signer=lab.stack.signer(domain),
            holdings=Holdings.of(lab.platform, lab.topology, domain),
            hosts=Hosts(lab.kubectl.kubeconfig, cluster) if domain == CLUSTER else None,
            sight=Sight(lab.machines, lab.topology.server.name, limit),
            limit=limit,
        )

    def check(self, fault: ReplaceAuthority) -> None:
        for node in fault.left_out:
            if not self._holdings.on(node).certificates:
                raise InputError(
                    f"{node} has no certificate of the authority {fault.authority!r}, so it cannot "
                    "keep one",
                    remedy="List only nodes that have one in `left_out`.",
                )

    def inject(self, fault: ReplaceAuthority) -> str:
        self.check(fault)
        files, wanted = self.files, fault.stage.stage
        if (now := files.stage()) != wanted - 1:
            raise InputError(
                f"the authority is at the stage {_words(now)}, not {_words(Stage(wanted - 1))}",
                remedy="The order of the stages is: both-trusted, new-shown, old-removed.",
            )
        with undoing(lambda: self.heal(fault)):
            succession = files.begin()
            shown = Shown.NEW if wanted is Stage.NEW_SHOWN else Shown.AS_THEY_ARE
            return self._go(succession, wanted, shown, fault.left_out)

    def heal(self, fault: ReplaceAuthority) -> str:
        files, stage = self.files, fault.stage.stage
        if files.stage() > stage:
            raise LabError(
                f"the authority is beyond the stage {_words(stage)}",
                remedy="Heal the later stage first, or all: lab fault heal --all",
            )
        shown = Shown.ORIGINAL if stage is Stage.NEW_SHOWN else Shown.AS_THEY_ARE
        proof = self._go(files.begin(), Stage(stage - 1), shown, ())
        if stage is Stage.BOTH_TRUSTED:
            files.end()
            if self._hosts is not None:
                self._hosts.reset()
        return proof

    @property
    def by_signer_alone(self) -> bool:
        """As in `Holdings`."""
        return self._holdings.by_signer_alone

    @property
    def files(self) -> SuccessionFiles:
        """The files that show the stage of the lab."""
        (signer,) = self._holdings.signers
        (bundle, *_) = self._holdings.on(signer.node).bundles or self._holdings.bundles
        return SuccessionFiles(
            machine=self._machines[signer.node],
            signer=signer,
            bundle=bundle,
            bundle_machine=self._machines[bundle.node],
            signs=lambda: self._signer.authority(self._keys),
            adopted=self._holdings.adopted,
            keys=self._keys,
            limit=self._limit,
        )

    # -- One stage ---------------------------------------------------------------------------

    def _go(
        self, succession: Succession, stage: Stage, shown: Shown, left_out: tuple[str, ...]
    ) -> str:
        if self._hosts is not None:
            self._hosts.take_lab_along(succession, stage, shown)
        seconds = {}
        for node in self._cluster.topology.nodes:
            if node.name in left_out:
                continue
            began = time.monotonic()
            with step(f"{node.name}: {_words(stage)}"):
                self._go_on(node.name, succession, stage, shown)
            seconds[node.name] = round(time.monotonic() - began, 1)
        if self._hosts is not None:
            for path in self._hosts.others:
                began, name = time.monotonic(), path.parent.name
                with step(f"{name}: {_words(stage)}"):
                    limit = self._limit(HOST_SECONDS)
                    self._hosts.take_along(path, succession, stage, shown, limit)
                seconds[name] = round(time.monotonic() - began, 1)
        return str(StageTimes(seconds))

    def _go_on(self, node: str, succession: Succession, stage: Stage, shown: Shown) -> None:
        machine, held = self._machines[node], self._holdings.on(node)
        since = self._sight.now()
        if shown is Shown.AS_THEY_ARE:
            self._trust(machine, held, succession.trusted(stage))
        else:
            self._show(machine, held, succession.new if shown is Shown.NEW else None)
        self._restart(machine, held.units)
        lying = {
            certificate.name: self._read(machine, certificate) for certificate in held.witnessed
        }
        own = next(
            (certificate for certificate in held.witnessed if certificate.name == NODE_CERTIFICATE),
            None,
        )
        accepted = self._holdings.accepted(succession, stage)
        if own is not None and not _is_by(lying[own.name], accepted):
            self._wait(node, lambda: self._used(own, lying[own.name], since, Met.REFUSED))
            return
        self._wait_heartbeat(node)
        if shown is not Shown.AS_THEY_ARE:
            self._wait(
                node,
                lambda: all(
                    self._used(certificate, lying[certificate.name], since, Met.LET_IN)
                    for certificate in held.witnessed
                ),
            )

    def _trust(self, machine: Machine, held: Holdings, authorities: tuple[bytes, ...]) -> None:
        deadline = self._limit(COMMAND_SECONDS)
        written = [
            GuestFile(
                bundle.path, bundle.trusting(machine.read(bundle.path, deadline), authorities)
            )
            for bundle in held.bundles
        ]
        self._files.write(machine, written)

    def _show(self, machine: Machine, held: Holdings, authority: Authority | None) -> None:
        """Installs certificates of `authority`, or the original ones; certificates that a component
        has requested are removed, so that it requests them again."""
        paths = [path for certificate in held.certificates for path in certificate.paths]
        paths += [path for signer in held.signers for path in signer.paths]
        if authority is None:
            self._files.put_back(machine, paths)
        else:
            files = [
                f
                for certificate in held.certificates
                for f in certificate.files(authority.issue(certificate.spec))
            ]
            files += [f for signer in held.signers for f in signer.files(authority.identity)]
            self._files.keep(machine, paths)
            self._files.write(machine, files)
        for requested in held.requested:
            machine.run(f"rm -f -- {requested.files}", self._limit(COMMAND_SECONDS))

    def _restart(self, machine: Machine, units: tuple[str, ...]) -> None:
        if units:
            command = " && ".join(f"systemctl restart {shlex.quote(unit)}" for unit in units)
            machine.run(command, self._limit(RESTART_SECONDS))

    # -- Whether a node works ------------------------------------------------------------------

    def _read(self, machine: Machine, held: InstalledCertificate) -> x509.Certificate:
        content = machine.read(held.certificate, self._limit(COMMAND_SECONDS))
        return x509.load_pem_x509_certificate(content)

    def _used(
        self, held: InstalledCertificate, one: x509.Certificate, since: str, met: Met
    ) -> bool:
        return bool(self._sight.in_use(held, one, since, {met}))

    def _wait_heartbeat(self, node: str) -> None:
        """Waits until the API server has a heartbeat of the node, by its lease or its status, over
        a connection that was made since its components were restarted.

        An edgecore may not renew its lease for ten minutes after the API server was unreachable
        (docs/findings/kubeedge-lease.md), but still reports its status.
        """
        kubectl = self._cluster.kubectl
        first: tuple[str, str] | None = None

        def heard() -> bool:
            nonlocal first
            deadline = self._limit(COMMAND_SECONDS)
            lease = kubectl.get_json("lease", node, "-n", "kube-node-lease", deadline=deadline)
            status = kubectl.get_json("node", node, deadline=deadline)
            now = str(lease["spec"].get("renewTime", "")), status_time(status)
            first = first or now
            return now != first

        self._wait(node, heard)

    def _wait(self, node: str, look: Callable[[], bool]) -> None:
        """Waits until `look` is true; approves certificate requests of nodes meanwhile."""

        def looked() -> bool:
            approve_requests(self._cluster, self._limit(COMMAND_SECONDS))
            return look()

        self._limit(RETURN_SECONDS).wait_for(
            f"{node} works with its current certificates",
            looked,
            every=LOOK_EVERY,
            transient=NOT_YET,
        )


def _is_by(certificate: x509.Certificate, authorities: tuple[bytes, ...]) -> bool:
    for pem in authorities:
        with contextlib.suppress(InvalidSignature, ValueError):
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(pem))
            return True
    return False


def _words(stage: Stage) -> str:
    return stage.name.lower().replace("_", "-")
