"""Faults of devices: set at the device, observed in its answers to itself and to clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edge_lab.core.errors import LabError, named
from edge_lab.devices import DeviceClient
from edge_lab.devices.control import DeviceStatus
from edge_lab.devices.faults import AnyFault
from edge_lab.faults.families.device.kinds import OnDevice
from edge_lab.faults.families.device.proofs import proof_of
from edge_lab.faults.family import Injector
from edge_lab.faults.limits import PROOF_SECONDS, prove
from edge_lab.faults.linkprober import LinkProber
from edge_lab.faults.undo import undoing

Shows = Callable[[DeviceStatus], str]
"""Describes the effect or recovery that a status shows; empty if none."""


class DeviceInjector(Injector[OnDevice]):
    """Injects and heals faults of the devices of a lab."""

    def __init__(self, prober: LinkProber, devices: Mapping[str, DeviceClient]) -> None:
        self._prober = prober
        self._devices = devices

    def inject(self, fault: OnDevice) -> str:
        """Sets it, and returns its observed effect.

        Raises:
            InputError: there is no such device, or its protocol has no such fault.
            LabError: the device does not answer before the fault, or no effect was seen.
        """
        device = self._device(fault.device)
        fault.does.check(self._prober.topology.device(fault.device).protocol)
        proof = proof_of(fault.does)
        before = device.wait_ready(self._prober.limit(PROOF_SECONDS))
        if proof.needs_clients and not before.clients:
            raise LabError(
                f"{fault.title}: no client is connected, so its effect could not be seen"
            )
        with undoing(lambda: device.set_fault(None)):
            return self._see(
                fault.title, device, fault.does, lambda now: self._effect(fault, before, now)
            )

    def heal(self, fault: OnDevice) -> str:
        """Clears it, and returns the observed recovery; LabError if none was seen."""
        was_away = proof_of(fault.does).away

        def recovered(now: DeviceStatus) -> str:
            well = now.fault is None and now.reachable
            if was_away and not self._connects(fault.device):
                return ""
            return f"answered within {now.answer_ms or 0:.0f} ms" if well else ""

        return self._see(f"{fault.title} is healed", self._device(fault.device), None, recovered)

    def _device(self, name: str) -> DeviceClient:
        return named("device", name, self._devices)

    def _see(self, what: str, device: DeviceClient, fault: AnyFault | None, shows: Shows) -> str:
        """Sets the device's behavior, and waits until its status shows it.

        The answer to the request is the first status: each requires a read of the device by
        itself, which a fault may slow down.
        """

        def statuses() -> Iterator[DeviceStatus]:
            yield device.set_fault(fault)
            while True:
                yield device.status(self._prober.limit(PROOF_SECONDS))

        seen = statuses()
        return prove(what, lambda: shows(next(seen)), self._prober.limit(PROOF_SECONDS))

    def _connects(self, device: str) -> bool:
        """Whether a node gets a connection to it over its link, or a refusal."""
        (link,) = self._prober.topology.links_of(device)
        return self._prober.reached(self._prober.service(link))

    def _effect(self, fault: OnDevice, before: DeviceStatus, now: DeviceStatus) -> str:
        if now.fault != fault.does:
            return ""
        proof = proof_of(fault.does)
        if proof.away:
            if now.reachable or (fault.cuts_off and self._connects(fault.device)):
                return ""
            return f"it does not answer: {now.trouble}"
        if not now.affected or not proof.met(fault.does, now, before):
            return ""
        said = f"answered within {now.answer_ms:.0f} ms" if now.answer_ms else now.trouble
        return f"{now.affected} answers or connections were affected; {said}"
