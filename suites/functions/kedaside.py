"""What the scenarios of KEDA need of a lab besides that of all scenarios."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from edge_lab.addons.functions.names import NAMESPACE
from edge_lab.addons.keda.names import OPERATOR_UNIT, function_name
from suites.functions.labside import ASK_SECONDS, LabSide
from suites.functions.side import Side


class KedaSide(Side, Protocol):
    """Edge nodes with functions that KEDA wakes."""

    def replicas(self, node: str) -> int:
        """The number of pods that the Deployment of a node asks for, at the API server."""
        ...

    def no_operator(self) -> AbstractContextManager[None]:
        """Stops KEDA's operator: the negative control."""
        ...


@dataclass(frozen=True)
class LabKedaSide(LabSide):
    """A `KedaSide`."""

    def replicas(self, node: str) -> int:
        found = self.lab.kubectl.get_json(
            "deployment",
            function_name(node),
            "-n",
            NAMESPACE,
            deadline=self.limit(ASK_SECONDS),
        )
        return int(found["spec"]["replicas"])

    @contextlib.contextmanager
    def no_operator(self) -> Iterator[None]:
        server = self.lab.topology.server.name
        self.run(server, f"systemctl stop {OPERATOR_UNIT}")
        try:
            yield
        finally:
            self.run(server, f"systemctl start {OPERATOR_UNIT}")
