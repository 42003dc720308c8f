"""yurt-manager's identity at the API server. Its controllers write with tokens of their service
accounts, which it requests by this certificate."""

from __future__ import annotations

from edge_lab.addons.pools.names import HOME, YURT_MANAGER, YURT_MANAGER_UNIT
from edge_lab.addons.tlsfiles import ServerClient

CLIENT = ServerClient(YURT_MANAGER, YURT_MANAGER_UNIT, HOME, user="edge-lab:yurt-manager")
