"""Faults of links: set at the fabric, observed by probes that cross the link."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.link.kinds import Cut, Drop, Flap, HalfOpen, Impair, Profile
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit


class Links(FaultFamily):
    name = "link"
    kinds = (Cut, Drop, HalfOpen, Impair, Profile, Flap)

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.carrier import Carriers
        from edge_lab.faults.families.link.injector import LinkInjector
        from edge_lab.faults.linkprober import LinkProber

        prober = LinkProber(lab.topology, lab.fabric, lab.machines, limit)
        return LinkInjector(prober, Carriers(lab.topology, lab.fabric, lab.machines))
