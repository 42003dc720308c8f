"""The controller manager's identity at the API server."""

from __future__ import annotations

from edge_lab.addons.nodejobs.names import HOME, MANAGER, MANAGER_UNIT
from edge_lab.addons.tlsfiles import ServerClient

CLIENT = ServerClient(MANAGER, MANAGER_UNIT, HOME, user="edge-lab:kubeedge-controller-manager")
