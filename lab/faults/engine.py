"""Injects and heals faults, each with its proof, and records them in the journal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from edge_lab.core.errors import EdgeLabError
from edge_lab.core.step import step
from edge_lab.faults.family import Injector
from edge_lab.faults.fault import Fault
from edge_lab.faults.injectors import LabInjectors
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.limits import TimeLimit, scaled_limit
from edge_lab.faults.records import FaultRecord

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

T = TypeVar("T")

InjectorOf = Callable[[Fault], Injector[Any]]
"""Returns the injector of a fault; InputError if there is none."""


def _nothing_more(fault: Fault) -> None:
    pass


class FaultEngine:
    """Injects and heals the faults of one lab. Thread-safe."""

    def __init__(
        self,
        journal: FaultJournal,
        injector_of: InjectorOf,
        possible: Callable[[Fault], None] = _nothing_more,
    ) -> None:
        """`possible` raises InputError for a fault that could never be observed in that lab."""
        self._journal = journal
        self._injector_of = injector_of
        self._possible = possible

    @classmethod
    def of(cls, lab: Lab, limit: TimeLimit | None = None) -> Self:
        """The engine of a running lab."""
        return cls(
            FaultJournal(lab.run.logs),
            LabInjectors(lab, limit or scaled_limit()),
            lambda fault: fault.check(lab.topology),
        )

    def check(self, fault: Fault) -> None:
        """Checks whether the fault could be observed in the lab as it is; changes nothing.

        Raises:
            InputError: it could not, with the reason.
        """
        self._possible(fault)
        self._injector_of(fault).check(fault)

    def inject(self, fault: Fault) -> FaultRecord:
        """Injects it; returns after its effect was seen.

        Raises:
            InputError: it names something unknown, could never be observed, or one of its
                targets is locked by an active fault.
            LabError: no effect was seen; the fault has been undone.
            StillActive: nor could it be undone; the journal keeps it as active.
        """
        self._possible(fault)
        injector = self._injector_of(fault)
        record = self._journal.open(fault, time.time_ns())
        with self._journal.closing(record), step(f"fault: {fault.title}"):
            proof = injector.inject(fault)
        return self._journal.enter(
            record.model_copy(update={"seen": time.time_ns(), "proof": proof})
        )

    def heal(self, record: FaultRecord) -> FaultRecord:
        """Heals it; returns after the recovery was seen. LabError if none was: it stays active."""
        begun = self._journal.enter(record.model_copy(update={"heal_began": time.time_ns()}))
        with step(f"heal: {record.fault.title}"):
            cure = self._injector_of(record.fault).heal(record.fault)
        return self._journal.enter(
            begun.model_copy(update={"healed": time.time_ns(), "cure": cure})
        )

    @contextlib.contextmanager
    def inflict(self, fault: Fault) -> Iterator[FaultRecord]:
        """The fault is active while the block runs."""
        record = self.inject(fault)
        try:
            yield record
        finally:
            self.heal(record)

    @contextlib.contextmanager
    def inflict_all(self, faults: Iterable[Fault]) -> Iterator[tuple[FaultRecord, ...]]:
        """Injects all of them in parallel, and heals them in parallel: each proof takes seconds."""
        wanted = list(faults)
        records: list[FaultRecord] = []
        try:
            _at_once(lambda fault: records.append(self.inject(fault)), wanted, "faults")
            yield tuple(records)
        finally:
            _at_once(self.heal, records, "heals")

    def heal_all(self) -> None:
        """Heals all active faults, the newest first; tries all before it raises."""
        troubles: list[EdgeLabError] = []
        for record in reversed(self.active()):
            try:
                self.heal(record)
            except EdgeLabError as trouble:
                troubles.append(trouble)
        if troubles:
            raise troubles[0]

    def active(self) -> tuple[FaultRecord, ...]:
        """Faults that were injected and not healed, by id."""
        return self._journal.active()

    def history(self) -> tuple[FaultRecord, ...]:
        """All faults since the lab came up, by id."""
        return self._journal.history()


def _at_once(do: Callable[[T], object], subjects: Iterable[T], title: str) -> None:
    """Runs `do` for each in parallel; raises the first error when all have finished."""
    with step(title) as outer, ThreadPoolExecutor() as pool:

        def run(subject: T) -> None:
            with step(title, parent=outer):
                do(subject)

        done = [pool.submit(run, subject) for subject in subjects]
    for result in done:
        result.result()
