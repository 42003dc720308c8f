"""The book of faults: every fault of a lab from its injection to its cure, on disk.

One JSON object a line, `faults.jsonl` among the lab's logs (so that it is kept with them), only
appended to; the last line of an id counts.  Any process may inject what another one heals.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.fault import Fault
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.undo import StillInForce

FILE = "faults.jsonl"


class FaultBook:
    """The faults of the lab whose logs are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = FileLock(folder / "faults.lock")

    def history(self) -> tuple[FaultRecord, ...]:
        """All faults, by id."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        found: dict[int, FaultRecord] = {}
        for number, line in enumerate(lines, start=1):
            try:
                record = FaultRecord.model_validate_json(line)
            except ValidationError as trouble:
                raise LabError(f"{self.path}:{number}: not a record of a fault") from trouble
            except InputError as trouble:  # of a family that was there when it was injected
                raise LabError(
                    f"{self.path}:{number}: a record of an unknown fault: {trouble.message}",
                    remedy="Check that the package that provides it is installed. "
                    f"{trouble.remedy}",
                ) from trouble
            found[record.id] = record
        return tuple(found[number] for number in sorted(found))

    def in_force(self) -> tuple[FaultRecord, ...]:
        """Those that were injected and not healed."""
        return tuple(record for record in self.history() if record.in_force)

    def open(self, fault: Fault, now: int) -> FaultRecord:
        """Enters a fault that begins now.

        Raises:
            InputError: one of its targets is that of a fault in force.
        """
        with self._lock:
            history = self.history()
            for other in history:
                if other.in_force and (common := other.fault.targets & fault.targets):
                    raise InputError(
                        f"{fault.title}: {min(common)} is locked by fault {other.id} "
                        f"({other.fault.title})",
                        remedy=f"Heal it first: lab fault heal {other.id}",
                    )
            record = FaultRecord(id=len(history) + 1, fault=fault, began=now)
            self._append(record)
            return record

    def enter(self, record: FaultRecord) -> FaultRecord:
        """Writes down what has become of a fault, and returns it."""
        with self._lock:
            self._append(record)
        return record

    def close_all(self, now: int, cure: str) -> None:
        """The lab went back to before all of them."""
        for record in self.in_force():
            self.enter(record.model_copy(update={"heal_began": now, "healed": now, "cure": cure}))

    def _append(self, record: FaultRecord) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")

    @contextlib.contextmanager
    def closing(self, record: FaultRecord) -> Iterator[None]:
        """If the block fails, the fault is entered as one that was never seen.

        One that is still in force stays open, to be healed.
        """
        try:
            yield
        except StillInForce:
            raise
        except BaseException as trouble:
            self.enter(
                record.model_copy(
                    update={"healed": record.began, "cure": f"never active: {trouble}"}
                )
            )
            raise
