"""Faults of the systemd services of a node."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, TypeVar

from edge_lab.core.errors import DeadlineExceeded, InputError
from edge_lab.faults.families.node.action import NodeAction
from edge_lab.faults.families.node.kinds import Freeze, Kill, ServiceFault
from edge_lab.faults.limits import PROOF_SECONDS

if TYPE_CHECKING:
    from edge_lab.machines import Machine

S = TypeVar("S", bound=ServiceFault)

RESTART_SECONDS = 30.0
"""Seconds for systemd to restart a service by itself."""

STARTED_BY_HAND = "started by hand"
"""Part of the description of a recovery where the service was not restarted by systemd."""


class ServiceAction(NodeAction[S]):
    """Base of the faults of services."""

    def check(self, machine: Machine, fault: S) -> None:
        self._must_run(machine, fault.service)

    def _main_pid(self, machine: Machine, service: str) -> int:
        said = self.tools.run(machine, f"systemctl show -p MainPID --value {shlex.quote(service)}")
        return int(said or 0)

    def _signal(self, machine: Machine, service: str, signal: str) -> None:
        self.tools.run(
            machine, f"systemctl kill --kill-whom=main -s {signal} {shlex.quote(service)}"
        )

    def _must_run(self, machine: Machine, service: str) -> int:
        pid = self._main_pid(machine, service)
        if not pid:
            raise InputError(
                f"{service} is not running on {machine.name}",
                remedy=f"Run `lab exec {machine.name} -- systemctl list-units --type=service` to "
                "see which services are.",
            )
        return pid

    def _running(self, machine: Machine, service: str) -> str:
        how = "by itself"
        try:
            self.tools.limit(RESTART_SECONDS).wait_for(
                f"{service} of {machine.name} is running again",
                lambda: self._main_pid(machine, service),
            )
        except DeadlineExceeded:
            how = STARTED_BY_HAND
            self.tools.run(machine, f"systemctl start {shlex.quote(service)}")
        machine.wait_unit(service, self.tools.limit(PROOF_SECONDS))
        return f"it runs as process {self._main_pid(machine, service)}, {how}"


class KillAction(ServiceAction[Kill]):
    def inject(self, machine: Machine, fault: Kill) -> str:
        service = fault.service
        pid = self._must_run(machine, service)
        self._signal(machine, service, "KILL")
        self.tools.see(
            f"{service} of {machine.name} was killed",
            lambda: self._main_pid(machine, service) != pid,
        )
        return f"its process {pid} is gone"

    def heal(self, machine: Machine, fault: Kill) -> str:
        return self._running(machine, fault.service)


class FreezeAction(ServiceAction[Freeze]):
    def inject(self, machine: Machine, fault: Freeze) -> str:
        service = fault.service
        pid = self._must_run(machine, service)
        self._signal(machine, service, "STOP")
        self.tools.see(
            f"{service} of {machine.name} has stopped", lambda: self._is_stopped(machine, pid)
        )
        return f"its process {pid} is stopped"

    def heal(self, machine: Machine, fault: Freeze) -> str:
        service = fault.service
        pid = self._main_pid(machine, service)
        if not pid:  # the node was rebooted meanwhile, or systemd has given up on the service
            return self._running(machine, service)
        self._signal(machine, service, "CONT")
        self.tools.see(
            f"{service} of {machine.name} continues", lambda: not self._is_stopped(machine, pid)
        )
        return f"its process {pid} continues"

    def _is_stopped(self, machine: Machine, pid: int) -> bool:
        said = self.tools.run(machine, f"sed -n 's/^State:\\s*//p' /proc/{pid}/status")
        return said.startswith("T")
