"""A restart of the API server a moment after something has begun."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.fixtures.nodes import LabNode

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

UNITS = ("kube-apiserver.service", "k3s.service")
"""Either has the API server."""
RESTARTER = "edge-lab-api-restart"
AFTER_SECONDS = 2
BACK_SECONDS = 180.0


@contextlib.contextmanager
def api_server_restart(lab: Lab, server: LabNode) -> Iterator[None]:
    """The API server restarts two seconds after the block begins; it is ready again at the end.

    Raises:
        MissingCapability: no unit of the control plane is known to have the API server.
        LabError: it was not restarted, or is not ready again.
    """
    unit = next((unit for unit in lab.stack.server_units() if unit in UNITS), None)
    if unit is None:
        raise MissingCapability(f"none of {', '.join(UNITS)} is a unit of {lab.stack_name}")
    before = main_process(server, unit)
    server.output(
        f"systemd-run --quiet --collect --unit={RESTARTER} --on-active={AFTER_SECONDS}s "
        f"--timer-property=AccuracySec=100ms systemctl restart {unit}"
    )
    yield
    if main_process(server, unit) in (before, "0"):
        raise LabError(f"{unit} was not restarted while the pod started")
    until_ready(lab)


def main_process(server: LabNode, unit: str) -> str:
    return server.output(f"systemctl show --property=MainPID --value {unit}")


def until_ready(lab: Lab) -> None:
    limit = Deadline.scaled(BACK_SECONDS)
    limit.wait_for(
        "the API server is ready",
        lambda: lab.kubectl.raw("/readyz", limit) == "ok",
        every=1.0,
        transient=(KubectlError,),
    )
