"""How much a control plane carries: more and more, until something gives way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_AVAILABLE_MIB = 100.0
"""Below that, kubelets evict."""
SLOWEST_S = 1.0
"""For one object, by Kubernetes' objective for calls of the API."""


@dataclass(frozen=True)
class Health:
    """A control plane that has been under one load for a while."""

    available_mib: float
    """The least that the server had; infinite if it never said."""
    slowest_s: float
    """Of requests for one object each; infinite if one was not answered."""
    not_ready: Sequence[str]
    """Nodes, hollow ones and others."""
    kills: int
    """Processes that the server's kernel has killed for want of memory, since the begin."""
    restarts: int
    """Of the server's units, since the begin."""
    unanswered: Sequence[str] = ()
    """What the server itself was asked for in vain."""

    @property
    def problems(self) -> tuple[str, ...]:
        found = []
        if self.unanswered:
            found.append(f"the server no longer tells its {', '.join(self.unanswered)}")
        if self.available_mib < LEAST_AVAILABLE_MIB:
            found.append(f"the server has {self.available_mib:.0f} MiB available")
        if self.slowest_s > SLOWEST_S:
            found.append(f"the API server took {self.slowest_s:.1f} s for one object")
        if self.not_ready:
            named = ", ".join(self.not_ready[:3])
            found.append(f"{len(self.not_ready)} nodes are not Ready ({named} …)")
        if self.kills:
            found.append(f"the server's kernel has killed {self.kills} processes")
        if self.restarts:
            found.append(f"units of the server were started again {self.restarts} times")
        return tuple(found)


@dataclass(frozen=True)
class Carried:
    """The largest load that was carried."""

    batches: int
    health: Health | None
    """At that load; None if not even the first batch was carried."""
    stopped_by: tuple[str, ...]
    """What gave way at the next batch; empty if there was none left."""


def carried(add: Callable[[], str], look: Callable[[], Health], most: int) -> Carried:
    """Adds batch by batch, until the control plane is not well or `most` are there.

    `add` says why the control plane has not taken a batch; it is empty if it has.
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
