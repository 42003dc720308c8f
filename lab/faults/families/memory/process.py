"""Takes memory on a node by a process outside Kubernetes, and releases it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic

from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.memory import guest
from edge_lab.faults.families.memory.amounts import (
    FALLEN_PART,
    HELD_PART,
    has_returned,
    target_mib,
    too_much,
)
from edge_lab.faults.families.memory.guest import FILE, READ, TAKE, Program
from edge_lab.faults.families.memory.kinds import MemoryFault, MemoryHog, MemoryLeak, PageCache
from edge_lab.faults.families.memory.onnode import M, NodeInjector
from edge_lab.faults.families.memory.sight import Sight
from edge_lab.faults.family import for_kind
from edge_lab.faults.fault import Fault
from edge_lab.faults.undo import undoing

SPARE_MIB = 64
"""Memory that a process may hold in addition before the kernel kills it."""

LEAK_SECONDS, LEAST_LEAK_MIB = 4, 16
"""A leak is seen when it has lasted that long and has taken that much."""

STOLEN_PAGES = 16_384
"""Pages reclaimed since the fault began: 64 MiB. An idle node reclaims none."""


class Taker(ABC, Generic[M]):
    """The program of one kind of fault, and how its effect is observed."""

    def __init__(self, fault: M, first: Sight) -> None:
        self.fault = fault
        self.first = first
        """The state before the fault."""

    def refusal(self) -> InputError | None:
        """Why it could not be observed on the node as it is."""
        return None

    @abstractmethod
    def program(self) -> Program: ...

    @abstractmethod
    def seen(self, now: Sight) -> str:
        """Describes the observed effect; empty if there is not enough yet."""


class HogTaker(Taker[MemoryHog]):
    @property
    def _target(self) -> int:
        return target_mib(self.fault, self.first)

    def refusal(self) -> InputError | None:
        return too_much(self.fault, self.first)

    def program(self) -> Program:
        return Program(
            self.fault.fault,
            TAKE,
            (str(self._target), "0"),
            self.fault.oom_score_adj,
            most_mib=self._target + SPARE_MIB,
        )

    def seen(self, now: Sight) -> str:
        fallen = self.first.available - now.available
        if now.rss < self._target * HELD_PART or fallen < self._target * FALLEN_PART:
            return ""
        return (
            f"the process holds {now.rss:.0f} MiB; {now.available:.0f} MiB are available, "
            f"before {self.first.available:.0f}"
        )


class LeakTaker(Taker[MemoryLeak]):
    def __init__(self, fault: MemoryLeak, first: Sight) -> None:
        super().__init__(fault, first)
        self._seen: float | None = None
        """MiB that it held when it was first seen with any."""

    def refusal(self) -> InputError | None:
        limit = self.fault.limit_mib
        if limit is None or limit <= self.first.available:
            return None
        return InputError(
            f"{self.first.available:.0f} MiB are available on {self.fault.node}, so that the limit "
            f"of {limit} MiB is not reached",
            remedy="Use a smaller `limit_mib`, or leave it out.",
        )

    def program(self) -> Program:
        limit = self.fault.limit_mib
        return Program(
            self.fault.fault,
            TAKE,
            (str(-1 if limit is None else limit), f"{self.fault.mib_per_s:g}"),
            self.fault.oom_score_adj,
            most_mib=None if limit is None else limit + SPARE_MIB,
        )

    def seen(self, now: Sight) -> str:
        if not now.rss:
            return ""
        if self._seen is None:
            self._seen = now.rss
        enough = max(LEAST_LEAK_MIB, self.fault.mib_per_s * LEAK_SECONDS)
        enough = min(enough, self.first.available / 4, self.fault.limit_mib or enough)
        if now.rss < enough or now.rss <= self._seen:
            return ""
        return f"the process has grown from {self._seen:.0f} to {now.rss:.0f} MiB"


class PageCacheTaker(Taker[PageCache]):
    def program(self) -> Program:
        size = int(self.first.total * 1.5)
        return Program(
            self.fault.fault, READ, (FILE, str(size), str(self.fault.mib_per_s)), oom_score_adj=0
        )

    def seen(self, now: Sight) -> str:
        stolen = now.stolen - self.first.stolen
        if stolen < STOLEN_PAGES or not now.rss:
            return ""
        return f"{stolen} pages were reclaimed; {now.free:.0f} MiB are free"


TAKERS: Mapping[type[Fault], Callable[[Any, Sight], Taker[Any]]] = {
    MemoryHog: HogTaker,
    MemoryLeak: LeakTaker,
    PageCache: PageCacheTaker,
}


class ProcessInjector(NodeInjector[MemoryFault]):
    """Injects and heals the faults of memory that are a process on a machine of a lab."""

    def check(self, fault: MemoryFault) -> None:
        self._taker(fault)

    def inject(self, fault: MemoryFault) -> str:
        with undoing(lambda: self.heal(fault)):
            taker = self._taker(fault)
            self._run(fault, taker.program().start())
            return self._prove(fault.title, lambda: self._seen(taker, fault))

    def heal(self, fault: MemoryFault) -> str:
        self._run(fault, guest.stop(fault.fault))
        return self._prove_cure(fault, lambda: _cured(fault, self._look(fault)))

    def _taker(self, fault: MemoryFault) -> Taker[Any]:
        """Raises InputError if the fault could not be observed on the node as it is."""
        make = for_kind(TAKERS, fault)
        first = self._look(fault)
        if first.active:
            raise InputError(
                f"{guest.unit_of(fault.fault)} runs on {fault.node} already",
                remedy=f"Run `lab exec {fault.node} -- systemctl stop "
                f"{guest.unit_of(fault.fault)}` to end it.",
            )
        taker = make(fault, first)
        if (refusal := taker.refusal()) is not None:
            raise refusal
        return taker

    def _seen(self, taker: Taker[Any], fault: MemoryFault) -> str:
        now = self._look(fault)
        if proof := taker.seen(now):
            return proof
        if not now.active:
            raise LabError(
                f"no effect was seen: {fault.fault} on {fault.node} was ended before it was seen"
            )
        return ""


def _cured(fault: MemoryFault, now: Sight) -> str:
    """Describes the observed recovery; empty if there is not enough yet."""
    if now.active or now.rss:
        return ""
    if now.before is None:
        return "the node has booted since, which ended it"
    if not has_returned(now.available, now.before, _taken(fault, now.before)):
        return ""
    return f"{now.available:.0f} MiB are available, before {now.before:.0f}"


def _taken(fault: MemoryFault, before: float) -> float:
    """The most MiB that it takes."""
    match fault:
        case MemoryHog(mib=int(mib)):
            return mib
        case MemoryLeak(limit_mib=int(mib)):
            return mib
        case PageCache():
            return 0
        case _:
            return before
