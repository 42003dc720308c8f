"""Follows objects of one kind in a thread, as a watch shows them; each event has two timestamps."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from edge_lab.cluster.watch import Watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

END_SECONDS = 10.0
"""Seconds for the thread to end after its watch."""
AGAIN_EVERY = 1.0
"""Seconds from the loss of a watch until it is restarted."""
STAMP_NS = 1_000_000
"""Two clocks that were read within this time count as read at the same time."""
STAMP_TRIES = 5


class Stamp(NamedTuple):
    """A moment on two clocks of the host, ns."""

    wall: int
    """Since 1970."""
    monotonic: int


def stamp() -> Stamp:
    """This moment.

    Reads again if the thread was suspended in between, which would look like a clock that was set.
    """
    for _ in range(STAMP_TRIES):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < STAMP_NS:
            break
    return Stamp(wall, before)


class Watches(Protocol):
    """The part of kubectl that is used here."""

    def watch(self, *args: str) -> Watch: ...


class Follower(ABC):
    """Follows objects of one kind in a thread, from `__enter__` to `__exit__`.

    A watch that is lost is restarted, and begins with a list: the current state is then seen, but
    not states that existed only in between. With `again_every=None` it is not restarted: then
    `ended` is true, and `check` raises.

    An error in `note` ends it; `check` and `__exit__` raise it as a LabError.
    """

    def __init__(
        self, kubectl: Watches, *query: str, again_every: float | None = AGAIN_EVERY
    ) -> None:
        """`query` as for kubectl get; `again_every`: seconds until a lost watch is restarted."""
        self._kubectl = kubectl
        self._query = query
        self._again_every = again_every
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._watch = kubectl.watch(*query)
        self._ended = False
        self._error: Exception | None = None
        self._breaks = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with self._lock:
            watch = self._watch
        watch.close()
        self._thread.join(Deadline.scaled(END_SECONDS).remaining)
        if value is None:
            self._check_error()

    @abstractmethod
    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        """Handles an event; the lock is held. `at`: its receipt."""

    @property
    def breaks(self) -> int:
        """How often its watch was lost, or could not be started."""
        with self._lock:
            return self._breaks

    @property
    def ended(self) -> bool:
        """Whether it has ended before `__exit__`."""
        with self._lock:
            return self._ended

    def check(self) -> None:
        """LabError if it has ended before `__exit__`: later events are not seen."""
        self._check_error()
        if self.ended:
            raise LabError(f"the watch on {self._query[0]} has ended: {self._watch.trouble}")

    def _check_error(self) -> None:
        if self._error is not None:
            raise LabError(
                f"an event of the watch on {self._query[0]} is not understood: {self._error!r}"
            ) from self._error

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - raised where it is used
            self._error = error
        with self._lock:
            self._ended = not self._over.is_set()

    def _follow(self) -> None:
        while True:
            for event, manifest in self._watch:
                at = stamp()
                with self._lock:
                    self.note(event, manifest, at)
            with self._lock:
                self._breaks += not self._over.is_set()
            if self._again_every is None or self._over.wait(self._again_every):
                return
            with self._lock:
                if self._over.is_set():
                    return
                self._watch = self._kubectl.watch(*self._query)
