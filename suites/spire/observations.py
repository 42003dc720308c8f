"""Observes an identity over time, and judges it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from suites.spire.clients import Attempt, Shown

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LEAST_OBSERVATIONS = 3


@dataclass(frozen=True)
class Observed:
    """The identity that a pod got at a time."""

    time: float
    """Seconds since 1970, by the server's clock."""
    attempt: Attempt


def offline_problems(last: Shown, observed: Sequence[Observed]) -> list[str]:
    """Whether a pod of a node that is cut off got only `last`, until it expired.

    Only the server renews SVIDs: a new one means that the node was not cut off.
    """
    found = []
    while_good = [observation for observation in observed if observation.time < last.not_after]
    if len(while_good) < LEAST_OBSERVATIONS:
        found.append(f"observed only {len(while_good)} times while it was valid")
    for observation in observed:
        left = last.not_after - observation.time
        if observation.attempt.ok and observation.attempt.shown().serial != last.serial:
            found.append(f"another SVID with {left:.0f} s left")
        if not observation.attempt.ok and left > 0:
            found.append(f"none with {left:.0f} s left: {observation.attempt}")
    return found


def server_time(lab: Lab, limit: TimeLimit) -> float:
    """Seconds since 1970 by the clock of the server node, which decides about expiry."""
    machine = lab.machines[lab.topology.server.name]
    return float(machine.run("date +%s.%N", limit(60)).stdout)


def until_time(
    lab: Lab, time: float, limit: TimeLimit, look: Callable[[], None] = lambda: None
) -> None:
    """Polls until the server's clock is past `time`."""

    def past() -> bool:
        look()
        return server_time(lab, limit) > time

    left = max(time - server_time(lab, limit), 0.0)
    eventually("the time is reached", past, Deadline.after(left + limit(120).total), every=1.0)
