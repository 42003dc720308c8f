"""The probes of one endpoint, from one node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.pki import CertificateSpec, Identity
from edge_lab.probes.attempt import Attempt
from edge_lab.probes.catalog import PROBES, Probe
from edge_lab.probes.dial import Dial
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.engine import attempt
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import ProbeRecord

LOOPBACK = "127.0.0.1"
PROBE_SECONDS = 20.0
"""Seconds for one attempt, of the reference machine."""


@dataclass(frozen=True)
class Target:
    """An endpoint to be probed: where, from where, and with which certificates."""

    endpoint: Endpoint
    """The endpoint as declared for the client."""
    address: str
    dial: Dial
    mint: Mint
    wire_address: str = ""
    """For an endpoint on loopback, the address at which another node would try it."""
    wire_dial: Dial | None = None
    """From another node."""
    limit: Callable[[], Deadline] = lambda: Deadline.scaled(PROBE_SECONDS)

    def try_all(self) -> Iterator[ProbeRecord]:
        """The probes that the endpoint's policy names, in the order of the catalogue."""
        for probe in PROBES.values():
            if probe.name in self.endpoint.policy.expects:
                yield self.try_one(probe)

    def try_one(self, probe: Probe) -> ProbeRecord:
        """One probe; LabError if it cannot be made here."""
        if probe.from_wire:
            return self._from_wire(probe)
        identity = probe.shows(self.mint)
        if probe.name == "other-node" and identity is None:
            raise LabError(f"{self.endpoint.id}: there is no other node to impersonate")
        what = self._attempt(probe, identity)
        if probe.steals:
            good = replace(self._attempt(PROBES["right"], self.mint.good()), probe=probe.name)
            first = attempt(good, self.dial, self.limit())
            if first.session is None:
                return first.record
            what = replace(what, stolen=first.session)
        return attempt(what, self.dial, self.limit()).record

    def _from_wire(self, probe: Probe) -> ProbeRecord:
        if self.wire_dial is None:
            raise LabError(f"{self.endpoint.id}: there is no other node to connect from")
        plain = self.endpoint.speaks is Speaks.HTTP
        what = replace(self._attempt(probe, None), address=self.wire_address, plain=plain)
        return attempt(what, self.wire_dial, self.limit()).record

    def _attempt(self, probe: Probe, identity: Identity | None) -> Attempt:
        endpoint = self.endpoint
        what = Attempt(
            endpoint=endpoint.id,
            probe=probe.name,
            address=self.address,
            port=endpoint.port,
            identity=identity,
            plain=probe.plain,
            request=endpoint.request,
            alpn=endpoint.alpn,
            bearer=probe.token() if probe.token else "",
        )
        return what if probe.version is None else what.only(probe.version)


def nobody() -> CertificateSpec:
    """The identity of a peer that presents a certificate where none is requested."""
    return CertificateSpec("edge-lab:anyone")
