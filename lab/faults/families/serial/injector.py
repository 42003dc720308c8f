"""Sets faults of serial lines, and observes them by reads over the line.

The line makes these reads itself, as a client at its port would, between two silent intervals:
nothing leaves the port, so that a real master on the bus is not disturbed.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.core.errors import named
from edge_lab.devices import DeviceClient
from edge_lab.devices.serial.faults import LineStates, SerialStatus
from edge_lab.faults.families.serial.kinds import SerialFault
from edge_lab.faults.family import Injector
from edge_lab.faults.limits import PROBE_SECONDS, PROOF_SECONDS, TimeLimit, prove
from edge_lab.faults.undo import undoing
from edge_lab.topology import SerialOptions

_CLEAR = LineStates()
_ENOUGH = 3
"""Number of successive reads that must be answered on a working line."""


class SerialInjector(Injector[SerialFault]):
    """Injects and heals faults on the serial lines of a lab's devices."""

    def __init__(
        self,
        devices: Mapping[str, DeviceClient],
        lines: Mapping[str, SerialOptions],
        limit: TimeLimit,
    ) -> None:
        """`lines` are the settings of the line of each device."""
        self._devices = devices
        self._lines = lines
        self._limit = limit

    def inject(self, fault: SerialFault) -> str:
        """Sets it, and returns its observed effect: a read over the line fails, and the line
        counts the characters that it changed.

        Raises:
            InputError: there is no such device.
            LabError: reads fail before the fault, or no effect was seen.
        """
        device = named("device", fault.device, self._devices)
        self._well(f"{fault.title}: the line before it", device)
        before = _affected(device.serial_status())
        with undoing(lambda: device.set_serial(_CLEAR)):
            device.set_serial(fault.states)

            def seen() -> str:
                answer = device.ask_over_serial(self._limit(PROBE_SECONDS))
                hit = _affected(answer.status) - before
                if answer.answered or not hit:
                    return ""
                return f"a read over the line failed: {answer.detail}; {hit} characters affected"

            seconds = fault.proof_seconds(self._lines[fault.device])
            return prove(fault.title, seen, self._limit(seconds), every=0.05)

    def heal(self, fault: SerialFault) -> str:
        """Clears it; returns when reads are answered and none of their characters is affected."""
        device = named("device", fault.device, self._devices)
        device.set_serial(_CLEAR)
        return self._well(f"{fault.title} is healed", device)

    def _well(self, what: str, device: DeviceClient) -> str:
        def answered() -> str:
            before = _affected(device.serial_status())
            for _ in range(_ENOUGH):
                answer = device.ask_over_serial(self._limit(PROBE_SECONDS))
                if not answer.answered or _affected(answer.status) != before:
                    return ""
            return f"{_ENOUGH} reads over the line were answered"

        return prove(what, answered, self._limit(PROOF_SECONDS), every=0.05)


def _affected(status: SerialStatus) -> int:
    return status.rx.affected + status.tx.affected
