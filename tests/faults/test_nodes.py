"""Faults on nodes, on a machine that is a few lines of Python: proved, or an error."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.node.action import NodeTools
from edge_lab.faults.families.node.injector import NodeInjector
from edge_lab.faults.kinds import (
    ClockJump,
    ClockSkew,
    DiskFull,
    Freeze,
    Kill,
    NodeFault,
    Pause,
    PowerOff,
    Reboot,
    SlowDisk,
)
from edge_lab.faults.undo import StillActive
from edge_lab.machines import ClockOffset

NODE = "edge-arm"
SERVICE = "kubelet.service"
DISK = 8 * 2**30


@dataclass
class FakeMachine:
    """As much of a machine as faults act on. One that does not obey says yes to all."""

    name: str = NODE
    obeys: bool = True
    state: str = "running"
    pid: int = 300
    stopped: bool = False
    hides_signals: bool = False
    """Its processes seem to run, whatever was sent to them."""
    offset: float = 0.0
    ppm: int = 0
    since: float = field(default_factory=time.monotonic)
    free: int = DISK
    refilled: bool = False
    pace: int | None = None
    folders: tuple[str, ...] = ("/var", "/")
    usual: float = 0.001
    """Seconds for one write."""
    boots: int = 1
    done: list[str] = field(default_factory=list)

    @property
    def is_on(self) -> bool:
        return self.state != "off"

    def _do(self, what: str, **change: Any) -> None:
        self.done.append(what)
        if self.obeys:
            for name, value in change.items():
                setattr(self, name, value)

    def power_off(self) -> None:
        self._do("power off", state="off")

    def power_on(self) -> None:
        self._do("power on", state="running", boots=self.boots + 1)

    def begin_reset(self, deadline: Deadline) -> None:
        mark = self.boots
        self._do("reset", boots=self.boots + 1)
        deadline.wait_for("the kernel begins", lambda: self.boots > mark)

    def begin_reboot(self, deadline: Deadline) -> None:
        self._do("reboot", boots=self.boots + 1)

    def boot_with_retry(self, deadline: Deadline, allowed_units: tuple[str, ...] = ()) -> None:
        self.done.append("booted")

    def suspend(self) -> None:
        self._do("suspend", state="paused")

    def resume(self) -> None:
        self._do("resume", state="running")

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        self._do(f"pace {iops}", pace=iops)

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        drift = (time.monotonic() - self.since) * self.ppm / 1e6
        return ClockOffset(self.offset + drift, 0.0005)

    def set_clock(self, deadline: Deadline) -> float:
        self.offset, self.since = 0.0, time.monotonic()
        return 0.0

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        self._do("date", offset=self.offset + seconds)

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        deadline.wait_for("the unit runs", lambda: bool(self.pid))

    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        for pattern, answer in self._answers.items():
            if found := re.search(pattern, command):
                return SimpleNamespace(stdout=str(answer(found)))
        raise AssertionError(f"nobody expected {command!r}")

    @property
    def _answers(self) -> dict[str, Callable[[re.Match[str]], object]]:
        return {
            r"^test -d (\S+)": lambda found: "yes" if found[1] in self.folders else "no",
            "MainPID": lambda found: self.pid,
            "-s KILL": lambda found: self._do("kill", pid=self.pid + 1),
            "-s STOP": lambda found: self._do("stop", stopped=True),
            "-s CONT": lambda found: self._do("continue", stopped=False),
            "/status": lambda found: (
                "T (stopped)" if self.stopped and not self.hides_signals else "S (sleeping)"
            ),
            "systemctl start": lambda found: self._do("start"),
            r"adjtimex -q -t (\d+) -f (-?\d+)": self._adjust,
            "adjtimex$": lambda found: (
                f"-f  freq.adjust:  {self.ppm % 100 * 65536} (65536 = 1ppm)\n"
                f"-t  tick:         {10_000 + self.ppm // 100} us"
            ),
            "fallocate": lambda found: self._do("fill", free=0),
            r"stat -f -c '%f %S' /": lambda found: f"{self.free // 4096} 4096",
            "probe": lambda found: "written" if self.free else "",
            r"count=(\d+) oflag=direct": lambda found: round(self._writes(int(found[1])) * 1e6),
            "systemd-run .*disk-full": lambda found: self._do("refill", refilled=True),
            "systemctl stop .*disk-full.*rm -f": lambda found: self._do(
                "empty", free=DISK, refilled=False
            ),
            "^rm -f": lambda found: self._do("empty", free=DISK),
        }

    def _adjust(self, found: re.Match[str]) -> None:
        ppm = (int(found[1]) - 10_000) * 100 + int(found[2]) // 65536
        self._do("adjtimex", ppm=ppm, since=time.monotonic())

    def _writes(self, count: int) -> float:
        return count * max(self.usual, 1 / self.pace if self.pace else 0)


def faults_on(
    machine: FakeMachine, plugged: list[str] | None = None, seconds: float = 0.3
) -> NodeInjector:
    machines: Any = {NODE: machine}
    noted = plugged if plugged is not None else []
    return NodeInjector(machines, NodeTools(lambda _: Deadline.after(seconds), noted.append))


EACH: list[NodeFault] = [
    PowerOff(node=NODE),
    Reboot(node=NODE),
    Pause(node=NODE),
    Kill(node=NODE, service=SERVICE),
    Freeze(node=NODE, service=SERVICE),
    ClockJump(node=NODE, seconds=-90),
    ClockJump(node=NODE, seconds=3600),
    ClockSkew(node=NODE, ppm=300),
    ClockSkew(node=NODE, ppm=-50_000),
    DiskFull(node=NODE),
    DiskFull(node=NODE, leave_mib=50),
    SlowDisk(node=NODE, iops=10),
]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)


@by_title
def test_a_fault_is_done_seen_and_healed(fault: NodeFault) -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    assert faults.inject(fault)
    assert machine.done
    assert faults.heal(fault)
    well = (machine.state, machine.stopped, machine.ppm, machine.free, machine.pace)
    assert well == ("running", False, 0, DISK, None)
    assert abs(machine.clock_offset(Deadline.after(1)).seconds) < 0.01


@by_title
def test_a_fault_without_effect_is_a_lab_error(fault: NodeFault) -> None:
    with pytest.raises(LabError):
        faults_on(FakeMachine(obeys=False), seconds=0.05).inject(fault)


def test_only_a_disk_that_is_full_to_the_last_byte_is_kept_full() -> None:
    for leave_mib in (0, 50):
        machine = FakeMachine()
        faults, fault = faults_on(machine), DiskFull(node=NODE, leave_mib=leave_mib)
        assert bool(fault.aftermath) == (leave_mib == 0)
        faults.inject(fault)
        assert machine.refilled == (leave_mib == 0)
        faults.heal(fault)
        assert not machine.refilled


def test_a_node_that_is_off_cannot_lose_its_power() -> None:
    machine = FakeMachine(state="off")
    with pytest.raises(InputError, match="already switched off"):
        faults_on(machine).inject(PowerOff(node=NODE))
    assert machine.done == []


def test_a_heal_that_failed_at_the_boot_can_be_tried_again() -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    faults.inject(PowerOff(node=NODE))
    faults.heal(PowerOff(node=NODE))
    assert faults.heal(PowerOff(node=NODE))
    assert machine.done.count("power on") == 1


def test_a_fault_that_is_not_seen_is_undone() -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    machine.hides_signals = True
    with pytest.raises(LabError, match="no effect was seen"):
        faults.inject(Freeze(node=NODE, service=SERVICE))
    assert machine.done == ["stop", "continue"]
    assert not machine.stopped


def test_a_fault_that_cannot_be_undone_is_said_to_be_still_active() -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    machine.resume = broken  # type: ignore[method-assign]
    machine.suspend = broken  # type: ignore[method-assign]
    machine.state = "paused"
    with pytest.raises(StillActive, match="could not be undone"):
        faults.inject(Pause(node=NODE))


def broken() -> None:
    raise LabError("libvirt has gone")


def test_a_node_with_power_again_is_plugged_in_before_it_has_booted() -> None:
    machine, plugged = FakeMachine(), list[str]()
    faults = faults_on(machine, plugged)
    faults.inject(PowerOff(node=NODE))
    faults.heal(PowerOff(node=NODE))
    assert plugged == [NODE]
    assert machine.done == ["power off", "power on", "booted"]


def test_a_service_that_does_not_run_cannot_be_killed_or_stopped() -> None:
    for fault in (Kill(node=NODE, service=SERVICE), Freeze(node=NODE, service=SERVICE)):
        with pytest.raises(InputError, match="is not running"):
            faults_on(FakeMachine(pid=0)).inject(fault)


def test_a_disk_that_is_slow_already_proves_nothing() -> None:
    machine = FakeMachine(usual=0.2)
    with pytest.raises(InputError, match="does not slow the disk down"):
        faults_on(machine).inject(SlowDisk(node=NODE, iops=10))
    assert machine.pace is None


@by_title
def test_what_could_be_seen_is_looked_at_and_left_alone(fault: NodeFault) -> None:
    machine = FakeMachine()
    faults_on(machine).check(fault)
    assert machine.done == []


@pytest.mark.parametrize(
    ("machine", "fault"),
    [
        (FakeMachine(pid=0), Kill(node=NODE, service=SERVICE)),
        (FakeMachine(pid=0), Freeze(node=NODE, service=SERVICE)),
        (FakeMachine(), ClockJump(node=NODE, seconds=0.001)),
        (FakeMachine(), DiskFull(node=NODE, path="/moon")),
        (FakeMachine(), DiskFull(node=NODE, leave_mib=10**6)),
        (FakeMachine(usual=0.2), SlowDisk(node=NODE, iops=10)),
    ],
    ids=lambda value: getattr(value, "title", ""),
)
def test_what_could_not_be_seen_on_that_node_is_refused_by_a_look(
    machine: FakeMachine, fault: NodeFault
) -> None:
    for act in (faults_on(machine).check, faults_on(machine).inject):
        with pytest.raises(InputError):
            act(fault)
    assert machine.done == []


def test_a_node_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(InputError, match=NODE):
        faults_on(FakeMachine()).inject(Pause(node="moon"))
