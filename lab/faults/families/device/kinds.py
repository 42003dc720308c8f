"""The faults of devices, as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from edge_lab.devices.faults import DeviceFault, Gone, SlowClock
from edge_lab.faults import reach
from edge_lab.faults.claims import Claims, device_part, link_part, observation_path
from edge_lab.faults.effects import Scope
from edge_lab.faults.fault import Fault
from edge_lab.faults.limits import PROOF_SECONDS
from edge_lab.faults.objections import Objection, refused, unknown_name
from edge_lab.topology import Topology

STEPS_FOR_A_CLOCK = 4
"""Number of intervals between steps that are measured to detect a slow clock."""
LEAST_CHANCE_OF_ANSWERS = 0.01
"""Minimum probability: a device is read about a hundred times to observe its fault."""


class OnDevice(Fault):
    """A device misbehaves: see `edge_lab.devices.faults`."""

    family: ClassVar[str] = "device"
    fault: Literal["device"] = "device"
    device: str
    does: DeviceFault

    @property
    def title(self) -> str:
        return f"{self.device} {self.does}"

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({device_part(self.device)})

    @property
    def scope(self) -> Scope:
        return Scope(devices=frozenset({self.device}))

    @property
    def cuts_off(self) -> bool:
        """Whether no connection to the device can be made while it lasts."""
        return isinstance(self.does, Gone) and self.does.how == "silent"

    def claims(self, topology: Topology) -> Claims:
        (link,) = topology.links_of(self.device)
        return Claims(
            self.targets,
            needs=frozenset({link_part(link.name)}),
            observed_through=observation_path(topology, link),
            disables=frozenset({device_part(self.device)}),
        )

    def objections(self, topology: Topology) -> Iterator[Objection]:
        names = [device.name for device in topology.devices]
        yield from unknown_name("device", self.device, names)
        if self.device in names:
            yield from self._of_protocol(topology)
            yield from refused("device", lambda: self.claims(topology))
            yield from self._not_seen(topology)

    def _of_protocol(self, topology: Topology) -> Iterator[Objection]:
        protocol = topology.device(self.device).protocol
        for objection in refused("does", lambda: self.does.check(protocol)):
            yield objection._replace(message=f"{self.device}: {objection.message}")

    def _not_seen(self, topology: Topology) -> Iterator[Objection]:
        fields: dict[str, Any] = self.does.model_dump()
        for field in ("probability", "delay_ms"):
            if fields.get(field) == 0:
                yield Objection("does", f"a fault with {field} 0 has no visible effect")
        probability: float = fields.get("probability", 1.0)
        if 0 < probability < LEAST_CHANCE_OF_ANSWERS:
            yield Objection(
                "does",
                f"a probability of {probability:g} is too small for an effect to be seen",
                f"Use {LEAST_CHANCE_OF_ANSWERS:g} or more.",
            )
        if isinstance(self.does, SlowClock):
            period = topology.device(self.device).period_ms / 1000
            takes = (STEPS_FOR_A_CLOCK + 1) * period / self.does.rate
            if takes > PROOF_SECONDS:
                yield Objection(
                    "does",
                    f"with a step each {period:g} s a clock at {self.does.rate:g} of its rate "
                    f"would be seen after {takes:.0f} s only",
                    f"Use a rate of {(STEPS_FOR_A_CLOCK + 1) * period / PROOF_SECONDS:.2g} or "
                    "more, or a device with a shorter `period_ms`.",
                )
        if self.cuts_off:
            (link,) = topology.links_of(self.device)
            yield from refused("device", lambda: reach.service(topology, link))
