"""A fault plan runs beside a test, and never affects the management path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.faults import Chaos
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from suites.edges import edges, uplink

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Network"), allure.feature("Plans")]

PLAN_SECONDS, ASK_SECONDS = 20.0, 18.0
"""Seconds of the reference machine: on a slower one the plan takes longer."""


@pytest.fixture
def plan(lab: Lab, tmp_path: Path, time_limit: TimeLimit) -> str:
    """A plan that breaks every uplink, in this lab."""

    def after(seconds: float) -> str:
        return f"{time_limit(seconds).total:.1f}s"

    file = tmp_path / "each-uplink.yaml"
    faults = "".join(
        f"  - {{fault: drop, link: {uplink(lab, node)}, at: {after(1)}, for: {after(6)}}}\n"
        f"  - {{fault: impair, link: {uplink(lab, node)}, delay_ms: 200, "
        f"at: {after(9)}, for: {after(8)}}}\n"
        for node in edges(lab)
    )
    head = f"name: each-uplink\nlasts: {after(PLAN_SECONDS)}\nfaults:\n"
    file.write_text(head + faults, encoding="utf-8")
    return str(file)


@allure.title("The lab can reach each node while a plan breaks the node's links")
def test_the_lab_reaches_its_nodes_while_a_plan_breaks_their_wires(
    lab: Lab, chaos: Chaos, plan: str, time_limit: TimeLimit, measure: Measuring
) -> None:
    limit = time_limit(ASK_SECONDS)
    answers = 0
    with chaos(plan) as run:
        while not limit.expired:
            for node in edges(lab):
                answers += lab.machines[node].run("echo alive").stdout == "alive\n"
        seen = [record for record in run.records if record.seen is not None]
    measure("answers during the plan", answers, unit="count")
    assert len(seen) >= len(edges(lab)), "the plan has not affected any link"
    assert answers >= 2 * len(edges(lab))
