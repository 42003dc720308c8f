"""The queue of reports: the newest value of each property, without repetitions.

Reports wait here while the cluster is unreachable.  A report that could not be sent is put
back, except for values that were replaced meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .objects import Key

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Twin:
    """One property as it is reported. `time` is ms since 1970."""

    reported: str
    time: int
    observed: str = ""
    """What was desired and has been written; empty while nothing has."""

    @property
    def says(self) -> tuple[str, str]:
        return self.reported, self.observed


READ, WRITE = "read", "write"

ErrorKey = tuple[str, str]
"""READ or WRITE, and the property."""


@dataclass(frozen=True)
class Report:
    """News of one device. `state` is empty if that is no news."""

    key: Key
    twins: Mapping[str, Twin] = field(default_factory=dict)
    state: str = ""
    errors: Mapping[ErrorKey, str] = field(default_factory=dict)
    """Why a property cannot be read, or what is desired of it cannot be done; empty if it can."""


class Outbox:
    """Reports that wait, those of the device that has waited longest first."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Report] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, report: Report) -> None:
        """Adds news; it takes the place of what waits of the same properties."""
        before = self._waiting.get(report.key, Report(report.key))
        self._waiting[report.key] = replace(
            before,
            twins={**before.twins, **report.twins},
            state=report.state or before.state,
            errors={**before.errors, **report.errors},
        )
        self._news.set()

    def put_back(self, report: Report) -> None:
        """A report that could not be sent; what has come meanwhile is newer."""
        newer = self._waiting.pop(report.key, Report(report.key))
        self.put(report)
        self.put(newer)

    def forget(self, key: Key) -> None:
        """Nothing of that device is to be reported any more."""
        self._waiting.pop(key, None)

    async def take(self) -> Report:
        """Waits for a report, and takes it out."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self._waiting.pop(next(iter(self._waiting)))
