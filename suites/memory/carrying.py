"""Finds the load that a control plane can carry, by increasing it until something fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_AVAILABLE_MIB = 100.0
"""MiB below which kubelets evict."""
SLOWEST_S = 1.0
"""Seconds for one object, by Kubernetes' objective for API calls."""


@dataclass(frozen=True)
class Health:
    """The health of a control plane under one load."""

    available_mib: float
    """The server's minimum; infinite if it was never reported."""
    slowest_s: float
    """The slowest request for one object; infinite if one was not answered."""
    not_ready: Sequence[str]
    """Nodes that are not Ready, hollow or real."""
    kills: int
    """Processes that the server's kernel killed for lack of memory, since the beginning."""
    restarts: int
    """Restarts of the server's units, since the beginning, or since the server's last boot."""
    rebooted: bool = False
    """Whether the server has booted since the beginning."""
    unanswered: Sequence[str] = ()
    """Values that the server did not report."""

    @property
    def problems(self) -> tuple[str, ...]:
        found = []
        if self.unanswered:
            found.append(f"the server no longer reports its {', '.join(self.unanswered)}")
        if self.available_mib < LEAST_AVAILABLE_MIB:
            found.append(f"the server has {self.available_mib:.0f} MiB available")
        if self.slowest_s > SLOWEST_S:
            found.append(f"the API server took {self.slowest_s:.1f} s for one object")
        if self.not_ready:
            named = ", ".join(self.not_ready[:3])
            found.append(f"{len(self.not_ready)} nodes are not Ready ({named} …)")
        if self.kills:
            found.append(f"the server's kernel has killed {self.kills} processes")
        if self.rebooted:
            found.append("the server was rebooted")
        if self.restarts:
            found.append(f"units of the server were restarted {self.restarts} times")
        return tuple(found)


@dataclass(frozen=True)
class Carried:
    """The largest load that was carried."""

    batches: int
    health: Health | None
    """The health at that load; None if not even the first batch was carried."""
    stopped_by: tuple[str, ...]
    """What failed at the next batch; empty if there was no further batch."""


def carried(add: Callable[[], str], look: Callable[[], Health], most: int) -> Carried:
    """Adds batches until the control plane is unhealthy or `most` are present.

    `add` returns why the control plane refused a batch; empty if it accepted.
    """
    last: Health | None = None
    for number in range(most):
        if refused := add():
            return Carried(number, last, (refused,))
        health = look()
        if health.problems:
            return Carried(number, last, health.problems)
        last = health
    return Carried(most, last, ())
