"""One point in time, handed down, instead of loose timeouts at every level."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from edge_lab.core.errors import DeadlineExceeded, EdgeLabError, LabError

T = TypeVar("T")


class Deadline:
    """A moment on the monotonic clock by which something must have happened.

    Made once, at the top, and passed on; whoever waits takes what is left of it. A number of
    seconds that stands in the code is one of the reference machine, and goes by
    `Deadline.scaled`. `Deadline.after` is for a time that somebody else gives, and for what
    takes the same time on every host.
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
        """The deadline `seconds` of the reference machine from now, on this host as it is."""
        from edge_lab.core.speed import patience

        return cls.after(seconds * patience())

    @property
    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._at - time.monotonic())

    @property
    def total(self) -> float:
        """Seconds that it was given at first."""
        return self._total

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self._at

    def within(self, seconds: float) -> Deadline:
        """The sooner of this deadline and `Deadline.scaled(seconds)`."""
        part = Deadline.scaled(seconds)
        return part if part._at <= self._at else Deadline(self._at, self.remaining)

    def check(self, what: str) -> None:
        """Raises DeadlineExceeded when there is no time left for `what`."""
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

        `watch` is called before each try and may raise to end the wait at once (a kernel
        panic, a failed unit).  Exceptions of the `transient` kinds count as "not yet";
        the last one is chained to the DeadlineExceeded that ends a wait in vain.
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
