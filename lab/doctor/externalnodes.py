"""Checks the external nodes of a topology: their drivers, and whether they can join."""

from __future__ import annotations

from collections.abc import Iterator

from edge_lab.core.errors import EdgeLabError
from edge_lab.doctor.host import Examination
from edge_lab.doctor.model import HostCheck
from edge_lab.topology import external_nodes


def check_external_nodes(this: Examination) -> Iterator[HostCheck]:
    """No checks for a topology without such nodes."""
    nodes = external_nodes(this.topology)
    if any(node.external.drivers for node in nodes if node.external):
        problem = this.host.driver_problem(this.topology)
        yield HostCheck(
            name="hardware drivers",
            ok=problem is None,
            found=problem.message if problem else "available",
            needed_for="power and consoles of external nodes",
            remedy=problem.remedy if problem else "",
        )
    for node in nodes:
        found, remedy = "can join", ""
        try:
            lacks = this.host.external_lacks(this.topology, node)
        except EdgeLabError as trouble:
            lacks, remedy = trouble.message, trouble.remedy
        yield HostCheck(
            name=f"node {node.name}",
            ok=not lacks,
            found=lacks or found,
            needed_for=f"the external node {node.name}",
            remedy=remedy or ("See docs/real-hardware.md for the requirements." if lacks else ""),
        )
