"""The keys of a running lab's authorities: its own and those in its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_lab.cluster.secrets import secret_data
from edge_lab.faults.family import LabAccess
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit
from edge_lab.pki import Pki


@dataclass(frozen=True)
class LabKeys:
    """Reads keys on each request: the lab may have been restarted with other keys."""

    lab: LabAccess
    limit: TimeLimit

    @property
    def pki(self) -> Pki:
        return self.lab.pki

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        return secret_data(self.lab.kubectl, namespace, name, self.limit(COMMAND_SECONDS))
