"""Announces the running plan of a lab to other processes, with the faults that are still to come.

It is written to `plan.json` among the lab's logs when the plan's clock starts.  It is valid only
while the process that runs the plan holds the lock file, so it is ignored after a crash.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.process import lock_holder
from edge_lab.faults.plan import Plan

FILE = "plan.json"
LOCK = "plan.lock"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class PlannedItem(_Model):
    """One fault of the plan; times are seconds from the plan's start."""

    at_s: float
    ends_s: float
    title: str


class AnnouncedPlan(_Model):
    name: str
    seed: int
    began: int
    """ns since 1970, by the host's clock."""
    lasts_s: float
    faults: tuple[PlannedItem, ...]


class PlanBoard:
    """The announcement of the running plan of the lab whose logs are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._lock = folder / LOCK

    @contextlib.contextmanager
    def announcing(self, plan: Plan) -> Iterator[None]:
        """While the block runs, `read` returns the plan, which begins now.

        Does nothing if another plan is announced, or if the folder is not writable: the plan itself
        must not fail because of that.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError, Timeout):
                lock = FileLock(self._lock, timeout=0)
                lock.acquire()
                held.callback(self._forget, lock)
                self._file.write_text(_announced(plan).model_dump_json(), encoding="utf-8")
            yield

    def read(self) -> AnnouncedPlan | None:
        """The running plan; None if there is none."""
        if lock_holder(self._lock) is None:
            return None
        try:
            return AnnouncedPlan.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):  # it is being written or removed
            return None

    def _forget(self, lock: FileLock) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        lock.release()


def _announced(plan: Plan) -> AnnouncedPlan:
    return AnnouncedPlan(
        name=plan.name,
        seed=plan.seed,
        began=time.time_ns(),
        lasts_s=plan.lasts_s,
        faults=tuple(
            PlannedItem(at_s=planned.at_s, ends_s=planned.ends_s, title=planned.fault.title)
            for planned in plan.schedule()
        ),
    )
