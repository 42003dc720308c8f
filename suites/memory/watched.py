"""The health of a control plane while load is put on it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from edge_lab.cluster.objects import node_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from suites.memory.carrying import Health
from suites.memory.shortages import available_mib, kernel_log, shortage_in

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LOOKS = 20
"""Requests while a load is held, in sequence."""
BEYOND_GRACE = 1.5
"""Hold time of each load, as a multiple of the grace period of silent nodes."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"


T = TypeVar("T")


@dataclass(frozen=True)
class Units:
    """The units of a server."""

    boot: str
    """Id of the boot."""
    restarts: int
    """Of all of them since this boot."""


class Watched:
    """The control plane's health, from now on.

    Raises:
        LabError: the server does not answer, although it has no load yet.
    """

    def __init__(self, lab: Lab, server: LabNode, time_limit: TimeLimit) -> None:
        self._lab, self._server, self._limit = lab, server, time_limit
        self._available()
        self._kills, self._units = self._killed(), self._units_now()

    def look(self) -> Health:
        """The health after the load was held for as long as it takes to notice a silent node."""
        hold = Deadline.after(self._lab.topology.timing.node_monitor_grace * BEYOND_GRACE)
        slowest, least = 0.0, math.inf
        unanswered: list[str] = []

        def told(what: str, ask: Callable[[], T], otherwise: T) -> T:
            try:
                return ask()
            except LabError:  # it failed
                unanswered.append(what)
                return otherwise

        with step(f"hold the load for {hold.total:.0f} s"):
            for number in range(LOOKS):
                slowest = max(slowest, self._asked())
                if number % 5 == 0:
                    least = min(least, told("memory", self._available, math.inf))
                due = hold.total * (LOOKS - 1 - number) / LOOKS
                time.sleep(max(0.0, hold.remaining - due))
        kills = told("kernel's log", self._killed, self._kills)
        units = told("units", self._units_now, self._units)
        rebooted = units.boot != self._units.boot
        return Health(
            available_mib=least,
            slowest_s=slowest,
            not_ready=self._not_ready(),
            # Not for a truncated log.
            kills=max(0, kills - self._kills),
            # systemd counts from each boot, and from 0 again after a manual start.
            restarts=max(0, units.restarts - (0 if rebooted else self._units.restarts)),
            rebooted=rebooted,
            unanswered=tuple(dict.fromkeys(unanswered)),
        )

    def _available(self) -> float:
        mib = available_mib(self._lab, self._server.name)
        if mib is None:
            raise LabError("the server does not say how much memory it has")
        return mib

    def _asked(self) -> float:
        """Seconds of one request; infinite if it fails."""
        began = time.monotonic()
        try:
            self._lab.kubectl.get_json("node", self._server.name, deadline=self._limit(30))
        except LabError:
            return math.inf
        return time.monotonic() - began

    def _not_ready(self) -> tuple[str, ...]:
        try:
            items = self._lab.kubectl.items("nodes", deadline=self._limit(120))
        except LabError:
            return ("the API server does not list them",)
        return tuple(node["metadata"]["name"] for node in items if not node_ready(node))

    def _killed(self) -> int:
        said = kernel_log(self._lab, self._server.name)
        if not said:
            raise LabError("the server does not show its kernel's log")
        return len(shortage_in(said))

    def _units_now(self) -> Units:
        units = " ".join(self._lab.platform.units(self._lab.topology)[self._server.name])
        said = self._server.output(f"cat {BOOT_ID}; systemctl show -p NRestarts --value {units}")
        boot, *restarts = said.split()
        return Units(boot, sum(map(int, restarts)))
