"""Assertions that hold for any running lab, with any kind of machines.

The suites smoke and lifecycle use them for a lab with guests, tests/bringup for one without, so
that the machines of the latter behave like real ones.
"""

from __future__ import annotations

import pytest

from edge_lab.bringup.saving import restore_checkpoint, save_checkpoint
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import Condition, read_state
from edge_lab.machines import Machine
from edge_lab.provisioning.provision import GuestFile

IN_MEMORY, ON_DISK = "/run/edge-lab-test", "/root/edge-lab-test"
CLOCK_SECONDS = 2.0
"""Maximum error of a guest's clock after a restore, seconds."""


def assert_up(lab: Lab, deadline: Deadline) -> None:
    """All machines run and respond, and the state file says that the lab is up."""
    for name, machine in lab.machines.items():
        assert machine.state == "running", f"{name} is {machine.state}"
        assert machine.is_on, f"{name} runs and is not on"
        assert machine.run("true", deadline).ok
    state = read_state(lab.run)
    assert state is not None, "there is no state file"
    assert state.condition is Condition.UP, f"the lab is {state.condition}"
    assert state == lab.state, "the state file differs from the state of the handle"


def assert_clocks_fit(lab: Lab, deadline: Deadline) -> None:
    offsets = {name: machine.clock_offset(deadline) for name, machine in lab.machines.items()}
    assert all(offset.fits(CLOCK_SECONDS) for offset in offsets.values()), offsets


def leave(machine: Machine, text: str, deadline: Deadline) -> None:
    """Puts `text` into a file in the guest's memory and into one on its disk."""
    for path in (IN_MEMORY, ON_DISK):
        machine.write(GuestFile(path, text.encode()), deadline)


def found(machine: Machine, deadline: Deadline) -> tuple[str, str]:
    """What `leave` left in memory and on disk, without the page cache."""
    machine.run("sync; echo 3 > /proc/sys/vm/drop_caches", deadline)
    in_memory, on_disk = (machine.read(path, deadline) for path in (IN_MEMORY, ON_DISK))
    return in_memory.decode(), on_disk.decode()


def _assert_found(machine: Machine, text: str, deadline: Deadline) -> None:
    seen = found(machine, deadline)
    assert seen == (text, text), f"in memory and on disk: {seen}, not {text}"


def assert_switches(machine: Machine) -> None:
    """Pausing and resuming are idempotent."""
    for _ in range(2):
        machine.suspend()
        assert machine.state == "paused", machine.state
        assert machine.is_on
    for _ in range(2):
        machine.resume()
        assert machine.state == "running", machine.state


def assert_no_second_power_on(machine: Machine) -> None:
    with pytest.raises(LabError):
        machine.power_on()
    with pytest.raises(LabError):
        machine.add_files([])
    assert machine.state == "running"


def assert_save_and_restore(lab: Lab, machine: Machine, deadline: Deadline) -> None:
    """A restore reverts only the changes after the save, in memory and on disk."""
    leave(machine, "before", deadline)
    # Twice: the second saves a restored lab, whose disk has several overlays.
    for _ in range(2):
        save_checkpoint(lab, deadline)
        assert_up(lab, deadline)
        _assert_found(machine, "before", deadline)
    leave(machine, "after", deadline)
    restore_checkpoint(lab, deadline)
    assert_up(lab, deadline)
    assert_clocks_fit(lab, deadline)
    _assert_found(machine, "before", deadline)
