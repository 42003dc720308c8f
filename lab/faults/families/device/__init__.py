"""Faults of devices: set at the device, observed in its answers to itself and to clients."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.device.kinds import OnDevice
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit


class Devices(FaultFamily):
    name = "device"
    kinds = (OnDevice,)

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.families.device.injector import DeviceInjector
        from edge_lab.faults.linkprober import LinkProber

        prober = LinkProber(lab.topology, lab.fabric, lab.machines, limit)
        return DeviceInjector(prober, lab.devices)
