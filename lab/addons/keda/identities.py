"""The operator's identity at the API server, which its metrics service presents too."""

from __future__ import annotations

from edge_lab.addons.keda.names import HOME, OPERATOR, OPERATOR_UNIT
from edge_lab.addons.tlsfiles import ServerClient

CLIENT = ServerClient(OPERATOR, OPERATOR_UNIT, HOME, user="edge-lab:keda-operator")
