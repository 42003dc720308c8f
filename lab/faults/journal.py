"""The journal of faults: every fault of a lab from its injection to its recovery, on disk.

One JSON object per line in `faults.jsonl` among the lab's logs (so that it is kept with them),
append-only; the last line of an id counts.  One process may heal what another one has injected.
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
from edge_lab.faults.undo import StillActive

FILE = "faults.jsonl"


class FaultJournal:
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

    def active(self) -> tuple[FaultRecord, ...]:
        """Those that were injected and not healed."""
        return tuple(record for record in self.history() if record.active)

    def open(self, fault: Fault, now: int) -> FaultRecord:
        """Records a fault that begins now.

        Raises:
            InputError: one of its targets is locked by an active fault.
        """
        with self._lock:
            history = self.history()
            for other in history:
                if other.active and (common := other.fault.targets & fault.targets):
                    raise InputError(
                        f"{fault.title}: {min(common)} is locked by fault {other.id} "
                        f"({other.fault.title})",
                        remedy=f"Heal it first: lab fault heal {other.id}",
                    )
            record = FaultRecord(id=len(history) + 1, fault=fault, began=now)
            self._append(record)
            return record

    def enter(self, record: FaultRecord) -> FaultRecord:
        """Records the new state of a fault, and returns it."""
        with self._lock:
            self._append(record)
        return record

    def close_all(self, now: int, cure: str) -> None:
        """Records all active faults as healed: the lab was restored to a state before them."""
        for record in self.active():
            self.enter(record.model_copy(update={"heal_began": now, "healed": now, "cure": cure}))

    def _append(self, record: FaultRecord) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")

    @contextlib.contextmanager
    def closing(self, record: FaultRecord) -> Iterator[None]:
        """If the block fails, the fault is recorded as one whose effect was never seen.

        One that is still active stays open, to be healed.
        """
        try:
            yield
        except StillActive:
            raise
        except BaseException as trouble:
            self.enter(
                record.model_copy(
                    update={"healed": record.began, "cure": f"never active: {trouble}"}
                )
            )
            raise
