"""One deadline, passed down, instead of separate timeouts at every level."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from edge_lab.core.errors import DeadlineExceeded, EdgeLabError, LabError

T = TypeVar("T")


class Deadline:
    """A moment on the monotonic clock by which something must have happened.

    Created once at the top and passed down; each wait uses the time that remains. Seconds in the
    code are those of the reference machine: use `Deadline.scaled`. `Deadline.after` is for a time
    that the user gives, and for operations that take the same time on every host.
    """

    __slots__ = ("_at", "_total")

    def __init__(self, at: float, total: float) -> None:
        self._at = at
        self._total = total

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds)

    @classmethod
    def scaled(cls, seconds: float) -> Deadline:
        """The deadline in `seconds` of the reference machine, scaled by the speed of this host."""
        from edge_lab.core.speed import patience

        return cls.after(seconds * patience())

    @property
    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._at - time.monotonic())

    @property
    def total(self) -> float:
        """Seconds between its creation and its end."""
        return self._total

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self._at

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `Deadline.scaled(seconds)`."""
        part = Deadline.scaled(seconds)
        return part if part._at <= self._at else Deadline(self._at, self.remaining)

    def check(self, what: str) -> None:
        """Raises DeadlineExceeded if no time is left for `what`."""
        if self.expired:
            raise DeadlineExceeded(f"{what}: not done within {self._total:.0f} s")

    def wait_for(
        self,
        what: str,
        probe: Callable[[], T | None],
        *,
        every: float = 0.25,
        transient: tuple[type[Exception], ...] = (),
        watch: Callable[[], None] = lambda: None,
    ) -> T:
        """Polls `probe` until it returns something true, and returns that.

        `watch` is called before each attempt and may raise to end the wait immediately (a kernel
        panic, a failed unit).  Exceptions of the `transient` types count as "not yet"; the last
        one is chained to the DeadlineExceeded of a wait that times out.
        """
        last: Exception | None = None
        while True:
            watch()
            try:
                found = probe()
            except transient as trouble:
                last = trouble
            else:
                if found:
                    return found
            if self.expired:
                because = f" (last: {last})" if last else ""
                raise DeadlineExceeded(
                    f"{what}: not seen within {self._total:.0f} s{because}"
                ) from last
            time.sleep(min(every, self.remaining))


__all__ = ["Deadline", "DeadlineExceeded", "EdgeLabError", "LabError"]
