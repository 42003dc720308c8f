"""Continuous pings while a link is broken, parsed while they run."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from types import TracebackType

from edge_lab.core.errors import LabError
from edge_lab.faults.probe import Stream

LEAST_PATIENCE, MOST_PATIENCE, TIMES_AS_LONG = 0.3, 1.0, 10
"""A ping is lost after these seconds, and this multiple of the previous round-trip time."""


@dataclass(frozen=True)
class Asked:
    """One ping, parsed from its line."""

    at: float
    """Seconds on the node's clock."""
    took: float | None
    """Round-trip time, seconds; None if there is no answer, or not yet."""


_LINE = re.compile(r"\[(\d+\.\d+)\] .*icmp_seq=\d+(?:.* time=([\d.]+) ms)?")


def read_line(line: str) -> Asked | None:
    """Parses a line of `ping -D -O`; None if it is not about a single ping."""
    found = _LINE.match(line)
    if found is None:
        return None
    return Asked(float(found[1]), float(found[2]) / 1000 if found[2] else None)


class RunningPing:
    """How long pings have been unanswered, by the node's own clock.

    A line that arrives late over the management path does not count as silence, nor does a node
    without any output: each ping without an answer has its own line.
    """

    def __init__(self, stream: Stream, name: str) -> None:
        self.name = name
        self._stream = stream
        self._slowest = 0.0
        self._answers = 0
        self._missed = 0
        self._answered_again = False
        self._answered_at = 0.0
        self._missed_at = 0.0
        self._said = ""
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> RunningPing:
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        trouble: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.kill()
        self._stream.wait()
        self._reader.join()

    @property
    def answers(self) -> int:
        """Number of answered pings."""
        return self._answers

    @property
    def missed(self) -> int:
        """Number of pings without an answer so far."""
        return self._missed

    @property
    def answers_again(self) -> bool:
        """Whether the last ping whose result is known has been answered."""
        return self._answered_again

    @property
    def patience(self) -> float:
        """Seconds after which a ping counts as lost, by the slowest answer so far."""
        return min(MOST_PATIENCE, max(LEAST_PATIENCE, TIMES_AS_LONG * self._slowest))

    @property
    def silence(self) -> float:
        """Seconds from the last answer to the last unanswered ping; 0 if that was sent earlier."""
        return max(0.0, self._missed_at - self._answered_at) if self._answers else 0.0

    def check(self) -> None:
        """Raises LabError if it has ended by itself."""
        if self._over:
            raise LabError(f"the ping from {self.name} ended: {self._said or 'no output'}")

    def _read(self) -> None:
        for raw in self._stream.stdout or ():
            line = raw.decode(errors="replace").strip()
            asked = read_line(line)
            if asked is None:
                self._said = line or self._said
            elif asked.took is None:
                self._missed_at = asked.at
                self._missed += 1
                self._answered_again = False
            else:
                self._answered_at = asked.at
                self._slowest = max(self._slowest, asked.took)
                self._answers += 1
                self._answered_again = True
        self._over = True
