"""The JSON schema of a topology, for editors (tests keep labs/schema.json equal to it)."""

from __future__ import annotations

from typing import Any

from edge_lab.core.yamlmodel import file_schema
from edge_lab.topology.model import Topology
from edge_lab.topology.protocols import known_protocols


def topology_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a topology file, with the protocols that are installed."""
    schema = file_schema(Topology)
    schema["$defs"]["Device"]["properties"]["protocol"]["enum"] = list(known_protocols())
    return schema
