"""Throughput and latency of frames through a medium."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from edge_lab.bench.frames import Arrived, receive, receive_stamped, send, send_stamped
from edge_lab.bench.media import Medium
from edge_lab.bench.processes import Child

TRIAL_SECONDS = 1.0
LATENCY_FRAMES = 2_000
TRIES = 2
"""Trials at one rate before it counts as too high: other load may have interfered."""
STRAY = 4.0
"""Standard deviations by which the loss may differ from the configured one."""


@dataclass(frozen=True)
class Trial:
    """One run of frames through one medium."""

    sent: int
    arrived: int
    sent_per_second: float
    arrived_per_second: float


def trial(medium: Medium, frames: int, size: int, rate: float) -> Trial:
    """Sends `frames` at `rate` per second (0: as fast as possible) through a new `medium`."""
    with medium() as path:
        receiver = Child(lambda: asdict(receive(path.receiver)))
        sender = Child(lambda: send(path.sender, frames, size, rate, segmented=path.segmented))
        reached = sender.result()
        arrived = Arrived(**receiver.result())
    per_second = arrived.frames / arrived.seconds if arrived.seconds else 0.0
    return Trial(frames, arrived.frames, reached, per_second)


def highest_rate(medium: Medium, size: int, loss: float, most: float) -> float:
    """Maximum frames per second with no more loss than `loss`; 0 if none."""

    def reached(rate: float) -> float:
        """The sustained rate for a requested `rate`; 0 if frames were lost each time."""
        frames = max(2_000, int(rate * TRIAL_SECONDS))
        meant = frames * (1 - loss)
        stray = STRAY * (frames * loss * (1 - loss)) ** 0.5
        for _ in range(TRIES):
            seen = trial(medium, frames, size, rate)
            if seen.arrived >= meant - stray:
                return seen.sent_per_second
        return 0.0

    low, high, best = 0.0, most, 0.0
    rate = most / 8
    for _ in range(7):
        sustained = reached(rate)
        best = max(best, sustained)
        if sustained >= rate * 0.95:
            low = rate
        else:  # lost frames, or was throttled: higher rates need not be tried
            high = rate
        rate = min(rate * 2, (rate + most) / 2) if high == most else (low + high) / 2
    return best


def latencies(medium: Medium) -> list[float]:
    """One-way latencies of 1,514-byte frames at a thousand per second, microseconds, in order."""
    with medium() as path:
        receiver = Child(lambda: receive_stamped(path.receiver))
        sender = Child(lambda: send_stamped(path.sender, LATENCY_FRAMES, 1514, 1000.0))
        sender.result()
        took: list[float] = receiver.result()
    return sorted(took[len(took) // 10 :])  # the first tenth warms caches up
