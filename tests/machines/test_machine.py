"""What a machine makes of its console and its guest's answers; the machine itself is absent."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines import CommandResult, Fatal, GuestSpec, LibvirtMachine, MachineDied, booting
from edge_lab.machines import clock as clock_module
from edge_lab.machines.libvirt_domain import LibvirtDomain

MakeSpec = Callable[..., GuestSpec]

PANIC = "[    1.0] Kernel panic - not syncing: Attempted to kill init!\n"
SETTLED = "timeout 10 systemctl is-system-running --wait"
FIRST = "[    0.0] Linux version 6.12\n"


class Guest:
    """Plays the guest: `boots` are what its console shows at each boot, `answers` its SSH."""

    def __init__(self, machine: LibvirtMachine, boots: list[str]) -> None:
        self.machine = machine
        self.boots = boots
        self.resets = 0
        self.answers: dict[str, str] = {SETTLED: "running"}

    def boot(self) -> None:
        self.machine.expect_boot()
        self.machine.console.path.open("a").write(self.boots.pop(0))

    def reset(self) -> None:
        self.resets += 1
        self.boot()

    def up(self) -> bool:
        text = self.machine.console.text(self.machine.boots.mark)
        return "Linux version" in text and "panic" not in text

    def run(self, command: str, *_: Any, **__: Any) -> Any:
        return CommandResult(command, 0, self.answers.get(command, ""), "")


@pytest.fixture
def guest(make_spec: MakeSpec, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> Guest:
    daemon: Any = None
    machine = LibvirtMachine(make_spec(), run, daemon)
    player = Guest(machine, [])
    monkeypatch.setattr(LibvirtDomain, "is_on", property(lambda _: True))
    monkeypatch.setattr(machine.domain, "reset", player.reset)
    monkeypatch.setattr(machine.shell, "run", player.run)
    monkeypatch.setattr(machine.shell, "answers", player.up)
    monkeypatch.setattr(booting, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(booting, "speed_factor", lambda: 1.0)
    return player


def test_a_good_boot_is_remembered_by_whoever_comes_later(
    guest: Guest, make_spec: MakeSpec, run: RunDir
) -> None:
    guest.boots = [FIRST]
    guest.boot()
    guest.machine.boot_with_retry(Deadline.after(60))
    later = LibvirtMachine(make_spec(), run, guest.machine.daemon)
    assert later.boot_seconds is not None
    assert later.reboots == 0


@pytest.mark.parametrize("first", [FIRST + PANIC, "OpenSBI v1.1\n"], ids=["panic", "silence"])
def test_a_boot_that_the_emulator_spoils_is_tried_again_and_counted(
    guest: Guest, first: str
) -> None:
    guest.boots = [first, FIRST]
    guest.boot()
    guest.machine.boot_with_retry(Deadline.after(60))
    assert (guest.resets, guest.machine.reboots) == (1, 1)


def test_a_second_panic_is_not_forgiven(guest: Guest) -> None:
    guest.boots = [FIRST + PANIC, FIRST + PANIC, FIRST]
    guest.boot()
    with pytest.raises(MachineDied) as death:
        guest.machine.boot_with_retry(Deadline.after(60))
    assert death.value.fatal.kind is Fatal.PANIC
    assert guest.resets == 1


def test_a_failed_unit_is_not_tried_again(guest: Guest) -> None:
    guest.boots = [FIRST + "[FAILED] Failed to start a.service.\n", FIRST]
    guest.boot()
    with pytest.raises(MachineDied, match=r"a\.service"):
        guest.machine.boot_with_retry(Deadline.after(60))
    assert guest.resets == 0


def test_a_panic_of_an_earlier_boot_is_not_held_against_this_one(
    guest: Guest, make_spec: MakeSpec, run: RunDir
) -> None:
    guest.machine.console.path.write_text(FIRST + PANIC)
    guest.boots = [FIRST]
    guest.boot()
    guest.machine.boots.wait_booted(Deadline.after(60))


def test_a_degraded_system_is_an_error_with_the_units_that_failed(guest: Guest) -> None:
    guest.boots = [FIRST]
    guest.answers = {
        SETTLED: "degraded",
        "systemctl --failed --plain --no-legend --no-pager": "a.service loaded failed failed A\n",
        "journalctl --no-pager -o short-precise -n 15 -u a.service": "because",
    }
    guest.boot()
    with pytest.raises(LabError, match=r"degraded: a\.service\na\.service:\nbecause"):
        guest.machine.boots.wait_booted(Deadline.after(60))
    guest.machine.boots.wait_booted(Deadline.after(60), {"a.service"})


def test_waiting_for_a_unit_ends_when_it_has_failed(guest: Guest) -> None:
    show = "systemctl show -p LoadState,ActiveState,SubState,Result"
    guest.answers = {
        f"{show} good.service": "LoadState=loaded\nActiveState=active\n",
        f"{show} bad.service": "LoadState=loaded\nActiveState=failed\nResult=exit-code\n",
        f"{show} no.service": "LoadState=not-found\nActiveState=inactive\n",
    }
    guest.machine.wait_unit("good.service", Deadline.after(60))
    with pytest.raises(LabError, match=r"bad\.service has failed \(exit-code\)"):
        guest.machine.wait_unit("bad.service", Deadline.after(60))
    with pytest.raises(LabError, match=r"has no unit no\.service"):
        guest.machine.wait_unit("no.service", Deadline.after(60))


def test_a_carrier_can_be_switched_on_wires_only(guest: Guest) -> None:
    with pytest.raises(LabError, match="no NIC 52:54:00:ed:ff:01 on a link"):
        guest.machine.set_carrier("52:54:00:ed:ff:01", False)


# -- its clock -----------------------------------------------------------------------------


class Host:
    """The host's clock: it goes on by what something takes, and by nothing else."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host()
    monkeypatch.setattr(clock_module, "time", found)
    return found


class Clock:
    """A guest's clock, set as GNU date sets it; `delays` hold each setting up on its way, s."""

    def __init__(self, host: Host, offset: float, delays: list[float]) -> None:
        self.host = host
        self.offset = offset
        self.delays = delays

    def run(self, command: str, *_: Any, **__: Any) -> CommandResult:
        if found := re.fullmatch(r"date -s '(.*)' > /dev/null", command):
            if self.delays:
                self.host.now += self.delays.pop(0)
            shown = []
            for moved in ("", found[1]):
                words = ["date", "-u", "-d", f"2026-01-01 12:00:00 UTC {moved}", "+%s.%N"]
                shown.append(subprocess.run(words, capture_output=True, text=True, check=True))
            before, after = (float(each.stdout) for each in shown)
            self.offset += after - before
            return CommandResult(command, 0, "", "")
        assert command == "date +%s.%N"
        return CommandResult(command, 0, f"{self.host.now + self.offset:.9f}", "")


@pytest.mark.parametrize("offset", [-45.0, 3600.25, 0.6])
def test_a_slow_way_to_a_clock_does_not_spoil_its_setting(
    guest: Guest, host: Host, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    clock = Clock(host, offset, delays=[0.6])
    monkeypatch.setattr(guest.machine.shell, "run", clock.run)
    left = guest.machine.set_clock(Deadline.after(60))
    assert abs(left) < clock_module.CLOCK_TOLERANCE
    assert abs(clock.offset) < clock_module.CLOCK_TOLERANCE


def test_a_clock_is_looked_at_until_something_can_be_said_of_it(
    guest: Guest, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_module, "CLOCK_TOLERANCE", 0.02)
    monkeypatch.setattr(clock_module, "CLOCK_LIMIT", 0.05)
    answers = iter([0.2, 0.2, 0.2, 0.2, 0.0])

    def run(command: str, *_: Any) -> CommandResult:
        shown = host.now + 0.15
        host.now += next(answers)
        return CommandResult(command, 0, f"{shown:.9f}", "")

    monkeypatch.setattr(guest.machine.shell, "run", run)
    seen = guest.machine.clock_offset(Deadline.after(60))
    assert seen.doubt <= 0.05
    assert seen.seconds == pytest.approx(0.15, abs=1e-3)
    assert not seen.fits(clock_module.CLOCK_TOLERANCE)
    assert not list(answers)


def test_a_clock_that_cannot_be_set_is_a_lab_error(
    guest: Guest, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(host, -45.0, delays=[])
    monkeypatch.setattr(guest.machine.shell, "run", clock.run)
    monkeypatch.setattr(guest.machine.clock, "move_clock", lambda *_: None)
    with pytest.raises(LabError, match=r"still -45\.00 s off"):
        guest.machine.set_clock(Deadline.after(60))


def test_what_the_hypervisor_takes_is_missing_in_the_memory_of_its_domain(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, given = guest.machine, list[int]()
    monkeypatch.setattr(machine.domain, "set_memory", given.append)
    monkeypatch.setattr(machine.domain, "memory_mib", lambda: 1600.0)
    machine.set_balloon(448)
    machine.set_balloon(0)
    assert given == [machine.spec.node.memory - 448, machine.spec.node.memory]
    assert machine.balloon_mib() == machine.spec.node.memory - 1600.0
