"""Faults of the cluster's certificate authorities: an authority is replaced in stages."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.authority.kinds import ReplaceAuthority
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit


class Authorities(FaultFamily):
    name = "authority"
    kinds = (ReplaceAuthority,)

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.families.authority.byname import AuthorityInjectors

        return AuthorityInjectors.of(lab, limit)
