"""Faults of a node's power and CPUs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_lab.core.errors import InputError
from edge_lab.faults.families.node.action import NodeAction, NodeTools
from edge_lab.faults.families.node.kinds import Pause, PowerOff, Reboot
from edge_lab.faults.limits import BOOT_SECONDS

if TYPE_CHECKING:
    from edge_lab.machines import Machine


class PowerOffAction(NodeAction[PowerOff]):
    def inject(self, machine: Machine, fault: PowerOff) -> str:
        if not machine.is_on:
            raise InputError(f"{machine.name} is already switched off")
        machine.power_off()
        self.tools.see(f"{machine.name} is off", lambda: machine.state == "off")
        return "its machine has stopped"

    def heal(self, machine: Machine, fault: PowerOff) -> str:
        if (
            not machine.is_on
        ):  # otherwise an earlier heal has switched it on, and the boot took too long
            machine.power_on()
            self.tools.replug(machine.name)
        return _booted(self.tools, machine)


class RebootAction(NodeAction[Reboot]):
    def inject(self, machine: Machine, fault: Reboot) -> str:
        limit = self.tools.limit(BOOT_SECONDS)
        if fault.orderly:
            machine.begin_reboot(limit)
        else:
            machine.begin_reset(limit)
        return "its kernel has rebooted"

    def heal(self, machine: Machine, fault: Reboot) -> str:
        return _booted(self.tools, machine)


class PauseAction(NodeAction[Pause]):
    def inject(self, machine: Machine, fault: Pause) -> str:
        machine.suspend()
        self.tools.see(f"{machine.name} is paused", lambda: machine.state == "paused")
        return "its CPUs are stopped"

    def heal(self, machine: Machine, fault: Pause) -> str:
        if machine.state == "paused":
            machine.resume()
        # Its clock was stopped too.
        return self.tools.correct_clock(machine)


def _booted(tools: NodeTools, machine: Machine) -> str:
    began = time.monotonic()
    machine.boot_with_retry(tools.limit(BOOT_SECONDS), tools.agents)
    return f"up, {time.monotonic() - began:.0f} s later"
