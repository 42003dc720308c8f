"""Faults on devices: set at the device, seen in what it answers itself and its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edge_lab.core.errors import LabError, named
from edge_lab.devices import DeviceClient
from edge_lab.devices.control import DeviceStatus
from edge_lab.devices.faults import (
    AnyFault,
    BadCrc,
    Busy,
    Exceptions,
    Gone,
    Junk,
    Late,
    SessionDrop,
    Slow,
    Split,
    Untrusted,
)
from edge_lab.faults.kinds import OnDevice
from edge_lab.faults.limits import PROOF_SECONDS, prove
from edge_lab.faults.overwire import OverWire
from edge_lab.faults.undo import undoing

Shows = Callable[[DeviceStatus], str]
"""What a status shows of an effect or a cure; empty if nothing."""


class DeviceFaults:
    """Injects and heals faults of the devices of a lab."""

    def __init__(self, tools: OverWire, devices: Mapping[str, DeviceClient]) -> None:
        self._tools = tools
        self._devices = devices

    def inject(self, fault: OnDevice) -> str:
        """Sets it, and returns what was seen of it.

        Raises:
            InputError: there is no such device, or its protocol has no such fault.
            LabError: the device does not answer as it is, or no effect was seen.
        """
        device = self._device(fault.device)
        fault.does.check(self._tools.topology.device(fault.device).protocol)
        before = device.wait_ready(self._tools.limit(PROOF_SECONDS))
        if isinstance(fault.does, SessionDrop | Untrusted) and not before.clients:
            raise LabError(f"{fault.title}: nobody is connected, so that it could not be seen")
        with undoing(lambda: device.set_fault(None)):
            return self._see(
                fault.title, device, fault.does, lambda now: self._effect(fault, before, now)
            )

    def heal(self, fault: OnDevice) -> str:
        """Clears it, and returns what was seen of the cure; LabError if none was."""

        def cured(now: DeviceStatus) -> str:
            well = now.fault is None and now.reachable
            if isinstance(fault.does, Gone) and not self._connects(fault.device):
                return ""
            return f"answered within {now.answer_ms or 0:.0f} ms" if well else ""

        return self._see(f"{fault.title} is healed", self._device(fault.device), None, cured)

    def _device(self, name: str) -> DeviceClient:
        return named("device", name, self._devices)

    def _see(self, what: str, device: DeviceClient, fault: AnyFault | None, shows: Shows) -> str:
        """Sets what the device does, and waits until its status shows it.

        The answer to the setting is the first status: each costs a read of itself, which a
        fault may make long.
        """

        def statuses() -> Iterator[DeviceStatus]:
            yield device.set_fault(fault)
            while True:
                yield device.status(self._tools.limit(PROOF_SECONDS))

        seen = statuses()
        return prove(what, lambda: shows(next(seen)), self._tools.limit(PROOF_SECONDS))

    def _connects(self, device: str) -> bool:
        """Whether a node gets a connection to it, or a refusal, over the wire."""
        (link,) = self._tools.topology.links_of(device)
        return self._tools.reached(self._tools.service(link))

    def _effect(self, fault: OnDevice, before: DeviceStatus, now: DeviceStatus) -> str:
        if now.fault != fault.does:
            return ""
        if isinstance(fault.does, Gone):
            silent = fault.does.how == "silent"
            if now.reachable or (silent and self._connects(fault.device)):
                return ""
            return f"it does not answer: {now.trouble}"
        if not now.affected or not _shows(fault.does, now, before):
            return ""
        said = f"answered within {now.answer_ms:.0f} ms" if now.answer_ms else now.trouble
        return f"{now.affected} answers or connections were touched; {said}"


def _shows(does: AnyFault, now: DeviceStatus, before: DeviceStatus) -> bool:
    """Whether the device's own read of itself has met the fault, where it must."""
    took = now.answer_ms or 0.0
    match does:
        case Slow():
            return took >= does.delay_ms - does.jitter_ms or not now.reachable
        case Split():
            return took >= (does.pieces - 1) * does.gap_ms or not now.reachable
        case Exceptions() | Junk() | BadCrc():
            return does.probability < 1 or not now.reachable
        case Untrusted():
            return now.refused > before.refused
        case Late() | Busy() | SessionDrop() | Gone():
            return True
