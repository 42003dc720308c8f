"""Addresses and paths of KEDA's operator: in a guest, or on the host of a test."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.keda.names import HEALTH, HOME, METRICS, METRICS_SERVICE, OPERATOR
from edge_lab.addons.tlsfiles import ClientPlace
from edge_lab.provisioning.provision import PAYLOAD_MOUNT


@dataclass(frozen=True)
class Place(ClientPlace):
    """Where the operator is, and where it listens."""

    program: str = str(PAYLOAD_MOUNT / "bin" / OPERATOR)
    files: str = HOME
    metrics: str = METRICS
    health: str = HEALTH
    metrics_service: str = METRICS_SERVICE
