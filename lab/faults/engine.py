"""Injects faults and heals them, each with its proof, and writes them into the book."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from edge_lab.core.errors import EdgeLabError
from edge_lab.core.step import step
from edge_lab.faults.book import FaultBook
from edge_lab.faults.family import Injector
from edge_lab.faults.fault import Fault
from edge_lab.faults.injectors import LabInjectors
from edge_lab.faults.limits import TimeLimit, scaled_limit
from edge_lab.faults.records import FaultRecord

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

T = TypeVar("T")

InjectorOf = Callable[[Fault], Injector[Any]]
"""What injects and heals a fault; InputError if nothing does."""


def _nothing_more(fault: Fault) -> None:
    pass


class FaultEngine:
    """All faults of one lab. Any number of threads may inject and heal."""

    def __init__(
        self,
        book: FaultBook,
        injector_of: InjectorOf,
        possible: Callable[[Fault], None] = _nothing_more,
    ) -> None:
        """`possible` raises InputError for a fault that could never be seen in that lab."""
        self._book = book
        self._injector_of = injector_of
        self._possible = possible

    @classmethod
    def of(cls, lab: Lab, limit: TimeLimit | None = None) -> Self:
        """The engine of a lab that is up."""
        return cls(
            FaultBook(lab.run.logs),
            LabInjectors(lab, limit or scaled_limit()),
            lambda fault: fault.check(lab.topology),
        )

    def check(self, fault: Fault) -> None:
        """Looks whether the fault could be seen in the lab as it is, and does nothing.

        Raises:
            InputError: it could not, and why.
        """
        self._possible(fault)
        self._injector_of(fault).check(fault)

    def inject(self, fault: Fault) -> FaultRecord:
        """Returns after its effect was seen.

        Raises:
            InputError: it names what is not there, could never be seen, or one of its
                targets is that of a fault in force.
            LabError: no effect was seen; nothing of it is left then.
            StillInForce: nor could it be undone; the book holds it as in force.
        """
        self._possible(fault)
        injector = self._injector_of(fault)
        record = self._book.open(fault, time.time_ns())
        with self._book.closing(record), step(f"fault: {fault.title}"):
            proof = injector.inject(fault)
        return self._book.enter(record.model_copy(update={"seen": time.time_ns(), "proof": proof}))

    def heal(self, record: FaultRecord) -> FaultRecord:
        """Returns after the cure was seen; LabError if none was: the fault stays in the book."""
        begun = self._book.enter(record.model_copy(update={"heal_began": time.time_ns()}))
        with step(f"heal: {record.fault.title}"):
            cure = self._injector_of(record.fault).heal(record.fault)
        return self._book.enter(begun.model_copy(update={"healed": time.time_ns(), "cure": cure}))

    @contextlib.contextmanager
    def inflict(self, fault: Fault) -> Iterator[FaultRecord]:
        """The fault is in force while the block runs."""
        record = self.inject(fault)
        try:
            yield record
        finally:
            self.heal(record)

    @contextlib.contextmanager
    def inflict_all(self, faults: Iterable[Fault]) -> Iterator[tuple[FaultRecord, ...]]:
        """All of them at once, and all healed at once: a proof takes its seconds."""
        wanted = list(faults)
        records: list[FaultRecord] = []
        try:
            _at_once(lambda fault: records.append(self.inject(fault)), wanted, "faults")
            yield tuple(records)
        finally:
            _at_once(self.heal, records, "heals")

    def heal_all(self) -> None:
        """Heals what is in force, the newest first; tries all before it raises."""
        troubles: list[EdgeLabError] = []
        for record in reversed(self.in_force()):
            try:
                self.heal(record)
            except EdgeLabError as trouble:
                troubles.append(trouble)
        if troubles:
            raise troubles[0]

    def in_force(self) -> tuple[FaultRecord, ...]:
        """Faults that were injected and not healed, by id."""
        return self._book.in_force()

    def history(self) -> tuple[FaultRecord, ...]:
        """All faults since the lab came up, by id."""
        return self._book.history()


def _at_once(do: Callable[[T], object], things: Iterable[T], title: str) -> None:
    """Does it to each, all at the same time; raises the first trouble when all are done."""
    with step(title) as outer, ThreadPoolExecutor() as pool:

        def one(thing: T) -> None:
            with step(title, parent=outer):
                do(thing)

        done = [pool.submit(one, thing) for thing in things]
    for result in done:
        result.result()
