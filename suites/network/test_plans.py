"""A plan of faults runs beside a test, and never gets in the lab's own way to its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from lab.deadline import Deadline
from lab.faults.engine import FaultEngine
from suites.edges import edges

if TYPE_CHECKING:
    from lab.running import Lab

pytestmark = [allure.parent_suite("Network"), allure.feature("Plans")]

ASK_SECONDS = 25.0


@pytest.mark.chaos("plans/quick.yaml")
@allure.title("Each node can be reached by the lab while a plan breaks its wires")
def test_the_lab_reaches_its_nodes_while_a_plan_breaks_their_wires(
    lab: Lab, fault_engine: FaultEngine
) -> None:
    began = len(fault_engine.history())
    limit = Deadline.after(ASK_SECONDS)
    answers = 0
    while not limit.expired:
        for node in edges(lab):
            answers += lab.machines[node].run("echo alive").stdout == "alive\n"
    wires = [
        each for each in fault_engine.history()[began:] if "link" in type(each.fault).model_fields
    ]
    allure.attach(f"{answers} answers", "answers", allure.attachment_type.TEXT)
    assert wires, "the plan has broken no wire meanwhile"
    assert answers >= 2 * len(edges(lab))
