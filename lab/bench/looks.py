"""One look of the wait for nodes: by the client whose connections are kept, and by kubectl.

The wait polls all nodes. Both query the same API server of an idle lab, interleaved; kubectl needs
a process and a TLS handshake each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_lab.core.deadline import Deadline
from edge_lab.handle.lab import Lab

LOOK_SECONDS = 60.0


@dataclass(frozen=True)
class LookTimes:
    """Seconds of so many looks, each way."""

    client: tuple[float, ...]
    kubectl: tuple[float, ...]


@dataclass
class _Timed:
    look: Callable[[], object]
    seconds: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        began = time.monotonic()
        self.look()
        self.seconds.append(time.monotonic() - began)


def measure(lab: Lab, count: int) -> LookTimes:
    """`count` looks each way, turn about, after one of each that does not count."""
    kubectl = lab.kubectl
    client = _Timed(lambda: kubectl.items("nodes", deadline=_limit()))
    process = _Timed(lambda: kubectl.run("get", "nodes", "--output=json", deadline=_limit()))
    for _ in range(count + 1):
        client()
        process()
    return LookTimes(tuple(client.seconds[1:]), tuple(process.seconds[1:]))


def _limit() -> Deadline:
    return Deadline.scaled(LOOK_SECONDS)
