"""What scenarios of several suites need of a lab: waits for what it shows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually, preparing

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


SLACK_SECONDS = 30.0
"""For the last look of a watch."""


class Watching(Protocol):
    """A side of a scenario that can wait."""

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool: ...


def watch(side: Watching, seconds: float, look: Callable[[], object] = lambda: None) -> None:
    """Calls `look` for so many seconds. They are not scaled by the speed of the machine: what is
    watched, such as a controller's interval, goes by the clock."""
    end = time.monotonic() + seconds

    def over() -> bool:
        look()
        return time.monotonic() >= end

    side.seen(over, seconds + SLACK_SECONDS)


@dataclass(frozen=True)
class WaitingSide:
    """A lab with its faults, and waits with a time limit."""

    every_seconds: ClassVar[float] = 2.0
    """Between two probes."""
    transient: ClassVar[tuple[type[Exception], ...]] = (LabError, *NOT_YET)
    """Errors of a probe that do not end a wait."""

    lab: Lab
    faults: FaultEngine
    limit: TimeLimit

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """The first true result of `probe`; the test fails if there is none in time.

        That is never the failure that is expected of it: scenarios are judged by their evidence.
        """
        limit, every = self.limit(seconds), self.every_seconds
        with preparing():
            return eventually(what, probe, limit, every=every, transient=self.transient)

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Whether `probe` has a true result in time."""
        limit = self.limit(seconds)
        with contextlib.suppress(DeadlineExceeded):
            limit.wait_for(
                "the result of a probe", probe, every=self.every_seconds, transient=self.transient
            )
            return True
        return False
