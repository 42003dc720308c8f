"""Addresses and paths of yurt-manager: in a guest, or on the host of a test."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.pools.names import (
    HEALTH,
    HOME,
    METRICS,
    STATE,
    WEBHOOK_PORT,
    YURT_MANAGER,
)
from edge_lab.addons.tlsfiles import ClientPlace
from edge_lab.provisioning.provision import PAYLOAD_MOUNT


@dataclass(frozen=True)
class Place(ClientPlace):
    """Where yurt-manager is, and where it listens."""

    program: str = str(PAYLOAD_MOUNT / "bin" / YURT_MANAGER)
    files: str = HOME
    state: str = f"/var/lib/{STATE}"
    metrics: str = METRICS
    health: str = HEALTH
    webhook_port: int = WEBHOOK_PORT

    @property
    def webhook_keys(self) -> str:
        """Folder of the certificate that yurt-manager makes for its webhook server."""
        return f"{self.state}/webhook"
