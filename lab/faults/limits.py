"""Time limits of injections, heals and their proofs; seconds of the reference machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError

T = TypeVar("T")

TimeLimit = Callable[[float], Deadline]
"""Makes a deadline from seconds of the reference machine, scaled by this one's speed."""

PROOF_SECONDS = 90.0
"""For an effect or a recovery to be seen. One or two are usual."""

PROBE_SECONDS = 60.0
"""For one burst of probes, the SSH command included."""

COMMAND_SECONDS = 60.0
"""For one command in a guest."""

BOOT_SECONDS = 300.0
"""For a node to be up again: until its services run, on a server its control plane, but not until
it is Ready."""


def scaled_limit() -> TimeLimit:
    """Deadlines scaled by the speed of this host, as it was when last measured."""

    # Imported late: tests of the plugins replace it.
    from edge_lab.core.speed import speed_factor

    speed_factor()  # so that creating the first limit takes no longer than others

    def limit(seconds: float) -> Deadline:
        return Deadline.after(seconds * speed_factor())

    return limit


def prove(
    what: str,
    look: Callable[[], T | None],
    deadline: Deadline,
    *,
    every: float = 0.25,
    remedy: str = "",
) -> T:
    """Waits until `look` returns a true value, and returns it; LabError if it never does."""
    try:
        return deadline.wait_for(what, look, every=every)
    except DeadlineExceeded as trouble:
        raise LabError(f"no effect was seen: {trouble.message}", remedy=remedy) from trouble
