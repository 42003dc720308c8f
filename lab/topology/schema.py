"""The JSON schema of a topology, for editors (labs/schema.json is kept equal to it)."""

from __future__ import annotations

from typing import Any

from edge_lab.topology.model import Topology


def topology_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a topology file."""
    schema = Topology.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
