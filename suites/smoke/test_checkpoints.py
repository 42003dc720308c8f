"""The behaviour of machines with guests, with the assertions of tests/bringup.

Saves and restores, which take minutes, are in suites/lifecycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure

from suites import bringup

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Checkpoints")]


@allure.title("A machine can be paused and resumed twice, but not powered on twice")
def test_machines_keep_what_their_protocol_promises(lab: Lab) -> None:
    machine = lab.machine(lab.topology.edges[0].name)
    bringup.assert_switches(machine)
    bringup.assert_no_second_power_on(machine)
