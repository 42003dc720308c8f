"""Saving and restoring a lab with guests: what tests/bringup asserts of one without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure

from edge_lab.fixtures.lab import TimeLimit
from suites import bringup

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Checkpoints")]

SAVE_SECONDS = 600.0
"""For a save and the restore that it ends with, on the reference machine; one minute is usual."""


@allure.title("Machines may be paused and resumed twice, and not switched on twice")
def test_machines_keep_what_their_protocol_promises(lab: Lab) -> None:
    machine = lab.machine(lab.topology.edges[0].name)
    bringup.assert_switches(machine)
    bringup.assert_no_second_power_on(machine)


@allure.title("A restore takes back what came after the save, in memory and on disk")
def test_a_save_goes_on_from_where_it_was(lab: Lab, time_limit: TimeLimit) -> None:
    machine = lab.machine(lab.topology.edges[0].name)
    bringup.assert_save_and_restore(lab, machine, time_limit(SAVE_SECONDS))
