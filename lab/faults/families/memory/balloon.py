"""Takes memory from a node by its hypervisor, and gives it back."""

from __future__ import annotations

from edge_lab.core.errors import InputError
from edge_lab.faults.families.memory import guest
from edge_lab.faults.families.memory.amounts import (
    FALLEN_PART,
    HELD_PART,
    has_returned,
    target_mib,
    too_much,
)
from edge_lab.faults.families.memory.kinds import MemoryBalloon
from edge_lab.faults.families.memory.onnode import NodeInjector
from edge_lab.faults.families.memory.sight import Sight
from edge_lab.faults.undo import undoing

EMPTY_MIB = 1.0
"""A balloon that holds no more is empty."""


class BalloonInjector(NodeInjector[MemoryBalloon]):
    """Inflates and deflates the balloon of a machine, and looks at it from both sides."""

    def check(self, fault: MemoryBalloon) -> None:
        self._first(fault)

    def inject(self, fault: MemoryBalloon) -> str:
        with undoing(lambda: self.heal(fault)):
            first = self._first(fault)
            target = target_mib(fault, first)
            self._run(fault, guest.INFLATABLE)
            self._machine(fault).set_balloon(target)
            return self._prove(fault.title, lambda: self._seen(fault, first, target))

    def heal(self, fault: MemoryBalloon) -> str:
        self._run(fault, guest.DEFLATABLE)
        self._machine(fault).set_balloon(0)
        return self._prove_cure(fault, lambda: self._cured(fault))

    def _first(self, fault: MemoryBalloon) -> Sight:
        """The state before the fault; InputError if it could not be observed."""
        if (held := self._machine(fault).balloon_mib()) > EMPTY_MIB:
            raise InputError(
                f"the hypervisor of {fault.node} already holds {held:.0f} MiB of its memory",
                remedy="Run `lab fault heal --all`; if no fault is active, run "
                f"`lab fault add power-off node={fault.node}` and heal that.",
            )
        first = self._look(fault)
        if (refusal := too_much(fault, first)) is not None:
            raise refusal
        return first

    def _seen(self, fault: MemoryBalloon, first: Sight, target: int) -> str:
        """Describes the observed effect; empty if there is not enough yet."""
        held, now = self._machine(fault).balloon_mib(), self._look(fault)
        gone = first.total - now.total
        fallen = first.available - now.available
        if min(held, gone) < target * HELD_PART or fallen < target * FALLEN_PART:
            return ""
        return (
            f"the hypervisor holds {held:.0f} MiB; the node has {now.total:.0f} MiB, of which "
            f"{now.available:.0f} are available, before {first.available:.0f}"
        )

    def _cured(self, fault: MemoryBalloon) -> str:
        """Describes the observed recovery; empty if there is not enough yet."""
        if self._machine(fault).balloon_mib() > EMPTY_MIB:
            return ""
        now = self._look(fault)
        if now.before is None:
            return (
                f"the balloon is empty, and the node has booted since; it has {now.total:.0f} MiB"
            )
        taken = fault.mib if fault.mib is not None else now.before
        if not has_returned(now.available, now.before, taken):
            return ""
        return f"{now.available:.0f} MiB are available, before {now.before:.0f}"
