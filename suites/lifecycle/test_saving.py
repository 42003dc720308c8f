"""Saving and restoring a lab with guests, with the assertions of tests/bringup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.bringup.saving import SaveFailed, save_checkpoint
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.machines.disk import flatten_overlay
from suites import bringup

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Life cycle"), allure.feature("Checkpoints")]

SAVE_SECONDS = 600.0
"""Seconds for a save and the subsequent restore or recovery, on the reference machine; one minute
is usual."""

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@allure.title("A restore reverts all changes since the save, in memory and on disk")
def test_a_save_goes_on_from_where_it_was(lab: Lab, time_limit: TimeLimit) -> None:
    machine = lab.machine(lab.topology.edges[0].name)
    bringup.assert_save_and_restore(lab, machine, time_limit(SAVE_SECONDS))


@allure.title("A save on a full disk leaves the lab running unchanged")
def test_a_save_that_fails_leaves_the_lab_as_it_was(
    lab: Lab, time_limit: TimeLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = time_limit(SAVE_SECONDS)
    *_, failing = lab.machines.values()

    def without_room(overlay: Any, *rest: Any) -> None:
        if overlay.stem == failing.name:
            raise LabError("No space left on device")
        flatten_overlay(overlay, *rest)

    boots = {name: machine.read(BOOT_ID) for name, machine in lab.machines.items()}
    bringup.leave(failing, "kept", limit)
    monkeypatch.setattr("edge_lab.machines.machine.flatten_overlay", without_room)
    with pytest.raises(SaveFailed):
        save_checkpoint(lab, limit)
    bringup.assert_up(lab, limit)
    bringup.assert_clocks_fit(lab, limit)
    assert bringup.found(failing, limit) == ("kept", "kept")
    assert {name: machine.read(BOOT_ID) for name, machine in lab.machines.items()} == boots
