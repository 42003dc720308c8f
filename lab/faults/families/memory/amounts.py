"""How much memory a fault takes, and how much of it must be seen to go and to return."""

from __future__ import annotations

from edge_lab.core.errors import InputError
from edge_lab.faults.families.memory.kinds import LEAST_MIB, MemoryBalloon, MemoryHog
from edge_lab.faults.families.memory.sight import Sight

LOOK_EVERY = 1.0
"""Seconds between checks; each starts some processes on the node."""

HELD_PART, FALLEN_PART = 0.98, 0.5
"""Fractions of the memory to be taken: what its taker must hold, and by how much the available
memory must fall. The latter is less, as the kernel reclaims some, and pods may be evicted."""

SLACK_MIB, SLACK_PART = 64, 0.25
"""Memory that may be missing after a heal, the larger of the two: MiB that the node's programs have
taken meanwhile, or that fraction of what was taken from them."""


def target_mib(fault: MemoryHog | MemoryBalloon, first: Sight) -> int:
    """MiB that it takes from the node as it was at the first look."""
    if fault.mib is not None:
        return fault.mib
    return int(first.available) - (fault.leave_mib or 0)


def too_much(fault: MemoryHog | MemoryBalloon, first: Sight) -> InputError | None:
    """Why the node cannot give that much now, or could not be seen to."""
    target = target_mib(fault, first)
    available = f"{first.available:.0f} MiB are available on {fault.node}"
    if target < LEAST_MIB:
        return InputError(available, remedy="Use a smaller `leave_mib`.")
    if target > first.available:
        return InputError(
            f"{available}, which is less than {target} MiB",
            remedy="Use a smaller `mib`, or `leave_mib: 0` to run out of memory.",
        )
    return None


def has_returned(available: float, before: float, taken: float) -> bool:
    """Whether the available memory is what it was before so much was taken; MiB."""
    return available >= before - max(SLACK_MIB, SLACK_PART * taken)
