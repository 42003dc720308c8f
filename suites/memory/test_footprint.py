"""The memory of a node by part, with the lab's stack and add-ons idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.evidence.memory import Group, MemoryPart, NodeMemorySeen
from edge_lab.evidence.recording import Recording
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.observe.memory.looking import look_at_memory
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.report.memory import memory_svg, memory_table

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Footprint")]

UNKNOWN_PART = 0.05
"""Share of a node's memory that may be unaccounted for. Drivers, the network and per-CPU page lists
are in no counter."""
UNATTRIBUTED_MIB = 32.0
"""Share of process memory that may be outside units and pods, such as files in /run."""
LEAST_UNIT_MIB = 1.0


def problems(seen: NodeMemorySeen) -> list[str]:
    """Problems if the parts do not explain the node's memory."""
    said = []
    missing = seen.of(Group.UNACCOUNTED)
    if abs(missing) > seen.machine_mib * UNKNOWN_PART:
        said.append(f"{missing:.0f} MiB are not accounted for")
    unattributed = sum(part.mib for part in seen.parts if part.name == "in no unit and no pod")
    if abs(unattributed) > UNATTRIBUTED_MIB:
        said.append(f"{unattributed:.0f} MiB are in no unit and no pod")
    total = sum(part.mib for part in seen.parts)
    if abs(total - seen.machine_mib) > 1:
        said.append(f"the parts add up to {total:.0f} of {seen.machine_mib:.0f} MiB")
    for group in (Group.KERNEL, Group.PAGE_CACHE):
        if seen.of(group) < LEAST_UNIT_MIB:
            said.append(f"{group.value} uses no memory")
    if seen.of(Group.CONTAINERD) + seen.of(Group.CRI_O) < LEAST_UNIT_MIB:
        said.append("the container runtime uses no memory")
    if seen.of(Group.CONTROL_PLANE) + seen.of(Group.EDGE_RUNTIME) < LEAST_UNIT_MIB:
        said.append("the stack uses no memory")
    return said


@pytest.mark.core
@pytest.mark.scenario("memory at rest")
@allure.title("The parts of the memory of {node} add up")
def test_the_parts_add_up(
    lab: Lab, node: LabNode, time_limit: TimeLimit, measure: Measuring
) -> None:
    seen = look_at_memory(lab, node.name, time_limit(180))
    allure.attach(memory_table(seen), "memory", allure.attachment_type.TEXT)
    moment = Recording(
        began=seen.time,
        ended=seen.time + NANOSECONDS,
        runtime=lab.stack_name,
        nodes=(node.name,),
        observed=(seen,),
    )
    allure.attach(memory_svg(moment, "memory at rest"), "memory", allure.attachment_type.SVG)
    for group in Group:
        better = "higher" if group is Group.FREE else "neither"
        measure(
            "memory",
            round(seen.of(group), 1),
            unit="MiB",
            better=better,
            node=node.name,
            label=group.value,
            evidence="cgroup v2, /proc/meminfo",
        )
    for part in seen.parts:
        if part.pss_mib is not None and part.pss_mib >= LEAST_UNIT_MIB:
            measure(
                "proportional set",
                part.pss_mib,
                unit="MiB",
                better="lower",
                node=node.name,
                label=part.name,
                evidence="smaps_rollup",
            )
    assert problems(seen) == []


@pytest.mark.core
@allure.title("Memory that is not accounted for is rejected (control)")
def test_memory_that_is_not_accounted_for_is_rejected() -> None:
    def seen(total: float = 2048.0, **other: float) -> NodeMemorySeen:
        mib = {group.name: 20.0 for group in Group} | other
        mib["FREE"] = total - sum(mib.values()) + mib["FREE"]
        parts = [
            MemoryPart(group=Group[name], name=Group[name].value, mib=amount)
            for name, amount in mib.items()
        ]
        return NodeMemorySeen(
            time=0,
            node="any",
            machine_mib=2048,
            total_mib=1971,
            available_mib=1500,
            parts=tuple(parts),
        )

    assert problems(seen()) == []
    assert len(problems(seen(UNACCOUNTED=300.0))) == 1
    assert len(problems(seen(total=1500.0))) == 1
    assert len(problems(seen(CONTAINERD=0.0, CRI_O=0.0))) == 1
    assert len(problems(seen(CONTROL_PLANE=0.0, EDGE_RUNTIME=0.0))) == 1
