"""An external node as a machine: its power, when it is off, and when it has booted again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.faults.families.node.action import NodeTools
from edge_lab.faults.families.node.power import PowerOffAction, RebootAction
from edge_lab.faults.kinds import PowerOff, Reboot
from edge_lab.machines import write_ssh_config
from edge_lab.machines.external import ExternalMachine, ssh_host
from edge_lab.machines.ssh import CommandResult, Unreachable
from edge_lab.topology import parse_topology
from tests.external.topologies import EXTERNAL, POWER, with_more


@dataclass
class Board:
    """What stands at the other end: it answers while it has power."""

    on: bool = True
    boots: int = 1
    wired: bool = True
    """Whether the switch is that of this board."""
    can_tell: bool = True
    failed: str = "broken-before.service loaded failed failed\n"
    done: list[str] = field(default_factory=list)

    def switch(self, on: bool) -> None:
        self.done.append("on" if on else "off")
        if self.wired:
            self.boots += on and not self.on
            self.on = on

    def run(self, command: str) -> CommandResult:
        if not self.on:
            raise Unreachable("board does not answer to SSH")
        answers = {
            "cat /proc/sys/kernel/random/boot_id": str(self.boots),
            "cat /var/lib/edge-lab-external/failed": "broken-before.service\n",
            "systemctl --failed --plain --no-legend --no-pager": self.failed,
        }
        said = answers.get(command, "degraded" if "is-system-running" in command else "")
        if command == "systemctl --no-block reboot" and self.wired:
            self.boots += 1
        return CommandResult(command, 0, said, "")


class Switch:
    def __init__(self, board: Board) -> None:
        self._board = board

    def on(self) -> None:
        self._board.switch(True)

    def off(self) -> None:
        self._board.switch(False)

    def cycle(self) -> None:
        self.off()
        self.on()

    def is_on(self) -> bool | None:
        return self._board.on if self._board.can_tell else None


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def machine(board: Board, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExternalMachine]:
    topology = parse_topology(with_more(POWER))
    node, run = topology.node("board"), RunDir("small")
    run.make()
    write_ssh_config(run, (), [ssh_host(node, run.keys)])
    library: Any = SimpleNamespace(power=lambda name, driver: Switch(board))
    monkeypatch.setattr("edge_lab.machines.external.machine.find_library", lambda name: library)
    found = ExternalMachine(node, topology, run)

    def shell(command: str, deadline: Deadline | None = None, check: bool = True) -> CommandResult:
        return board.run(command)

    monkeypatch.setattr(found.shell, "run", shell)
    monkeypatch.setattr(found.shell, "answers", lambda: board.on)
    yield found
    run.remove()


TOOLS = NodeTools(lambda seconds: Deadline.after(min(seconds, 0.2)))


@pytest.mark.parametrize("can_tell", [True, False])
def test_a_power_cut_is_proved_and_healed(
    machine: ExternalMachine, board: Board, can_tell: bool
) -> None:
    board.can_tell = can_tell
    action, fault = PowerOffAction(TOOLS), PowerOff(node="board")
    action.inject(machine, fault)
    assert (machine.state, machine.is_on, board.on) == ("off", False, False)
    with pytest.raises(InputError, match="already switched off"):
        action.inject(machine, fault)
    action.heal(machine, fault)
    assert (machine.state, machine.is_on, board.boots) == ("running", True, 2)


@pytest.mark.parametrize("can_tell", [True, False])
def test_a_switch_of_another_board_is_no_proof(
    machine: ExternalMachine, board: Board, can_tell: bool
) -> None:
    board.wired, board.can_tell = False, can_tell
    with pytest.raises(LabError, match="board is off"):
        PowerOffAction(TOOLS).inject(machine, PowerOff(node="board"))


@pytest.mark.parametrize("orderly", [True, False])
def test_a_reboot_is_proved_by_another_boot(
    machine: ExternalMachine, board: Board, orderly: bool
) -> None:
    action, fault = RebootAction(TOOLS), Reboot(node="board", orderly=orderly)
    action.inject(machine, fault)
    assert board.boots == 2
    action.heal(machine, fault)
    board.wired = False
    with pytest.raises(LabError, match="has booted again"):
        action.inject(machine, fault)


def test_a_unit_that_fails_only_now_is_told(machine: ExternalMachine, board: Board) -> None:
    machine.boot_with_retry(Deadline.after(0.2))
    board.failed += "kubelet.service loaded failed failed\n"
    with pytest.raises(LabError, match=r"kubelet\.service"):
        machine.boot_with_retry(Deadline.after(0.2))
    machine.boot_with_retry(Deadline.after(0.2), {"kubelet.service"})


def test_one_that_is_off_is_switched_on_at_the_start(
    machine: ExternalMachine, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.on = False
    entered: list[str] = []
    entrance: Any = SimpleNamespace(wait_in=lambda *limits: entered.append("in"))
    monkeypatch.setattr(machine, "_entrance", entrance)
    machine.wait_reached(Deadline.after(1))
    assert (board.done, entered) == (["on"], ["in"])
    machine.wait_reached(Deadline.after(1))
    assert board.done == ["on"]


def test_a_panic_on_its_console_ends_the_wait(machine: ExternalMachine, board: Board) -> None:
    board.on = False
    machine.expect_boot()
    machine.console.path.write_text("[  1.0] Kernel panic - not syncing: no init\n")
    with pytest.raises(LabError, match="kernel panic"):
        machine.boot_with_retry(Deadline.after(0.2))


def test_without_a_power_driver_it_is_on() -> None:
    topology = parse_topology(EXTERNAL)
    machine = ExternalMachine(topology.node("board"), topology, RunDir("small"))
    assert machine.is_on
    assert Path(machine.console.path).name == "board.log"
