"""The stack and the lab's workload fit into the memory of a small machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.observe.footprint import Footprint, footprint

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Memory")]

SPARE_MIB = 200.0
"""MiB that a node must have available: twice what it reserves from pods."""


def problems(found: Footprint) -> list[str]:
    """Problems if the stack does not fit the node."""
    said = []
    if found.absent:
        said.append(f"{', '.join(found.absent)} does not run")
    if not found.units:
        said.append("the stack has no program on the node")
    if found.available < SPARE_MIB:
        said.append(f"only {found.available:.0f} MiB are available")
    if found.kills:
        said.append(f"the kernel killed {found.kills} processes for memory")
    return said


@pytest.mark.scenario("memory of the stack at rest")
@allure.title("The programs of the stack fit in the memory of {node}")
def test_the_stack_fits_the_node(
    lab: Lab, node: LabNode, time_limit: TimeLimit, measure: Measuring
) -> None:
    units = lab.platform.units(lab.topology)[node.name]
    found = footprint(node.machine, units, time_limit(60))
    allure.attach("\n".join(found.rows()), "memory", allure.attachment_type.TEXT)
    taken, here = round(sum(found.units.values()), 1), node.name
    measure("memory of the stack", taken, unit="MiB", better="lower", node=here, evidence="VmRSS")
    measure("memory available", round(found.available, 1), unit="MiB", better="higher", node=here)
    assert problems(found) == []


@allure.title("A node with too little free memory is rejected (control)")
def test_a_node_with_too_little_memory_is_rejected() -> None:
    full = Footprint(total=1971.0, available=80.0, units={}, absent=("kubelet.service",), kills=1)
    assert len(problems(full)) == 4
