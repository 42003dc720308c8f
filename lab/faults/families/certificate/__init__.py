"""Faults of certificates: a certificate on a node is replaced."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.certificate.kinds import ReplaceCertificate
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit


class Certificates(FaultFamily):
    name = "certificate"
    kinds = (ReplaceCertificate,)

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.families.certificate.injector import CertificateInjector
        from edge_lab.faults.families.certificate.keys import LabKeys
        from edge_lab.faults.families.certificate.sight import Sight

        server = lab.topology.server.name
        return CertificateInjector(
            machines=lab.machines,
            keys=LabKeys(lab, limit),
            installed=lab.platform.certificates(lab.topology),
            sight=Sight(lab.machines, server, limit),
            limit=limit,
        )
