"""Addresses and paths of KubeEdge's controller manager: in a guest, or on the host of a test."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.nodejobs.names import HEALTH, HOME, MANAGER
from edge_lab.addons.tlsfiles import ClientPlace
from edge_lab.provisioning.provision import PAYLOAD_MOUNT


@dataclass(frozen=True)
class Place(ClientPlace):
    """Where the controller manager is, and where it listens."""

    program: str = str(PAYLOAD_MOUNT / "bin" / MANAGER)
    files: str = HOME
    health: str = HEALTH
