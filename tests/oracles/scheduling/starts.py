"""Recorded starts of pods for tests: whole ones, which each test then spoils in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.scheduling.history import PodHistory
from edge_lab.oracles.scheduling.stages import NODE_MOMENTS, Moment, PodStart
from edge_lab.oracles.spans import NANOSECONDS

BEGAN = 1_795_916_353 * NANOSECONDS
CLOCK = ClockBounds(1_980_000_000, 2_020_000_000)
"""The node is 2 s ahead, known to 20 ms."""

SECONDS: Mapping[Moment, float] = {
    Moment.CREATED: 0.0,
    Moment.SCHEDULED: 0.25,
    Moment.NODE_SAW: 1.0,
    Moment.SANDBOX_READY: 6.0,
    Moment.IMAGE_READY: 7.5,
    Moment.STARTED: 9.0,
    Moment.RUNNING: 10.5,
    Moment.READY: 10.5,
}
"""On the host's clock, from the creation."""


def start(
    seconds: Mapping[Moment, float] = SECONDS, clock: ClockBounds = CLOCK, **more: Any
) -> PodStart:
    """A pod whose moments were at `seconds`, each stamped on its own clock."""
    ahead = (clock.least + clock.most) // 2
    moments = {
        moment: BEGAN + round(after * NANOSECONDS) + (ahead if moment in NODE_MOMENTS else 0)
        for moment, after in seconds.items()
    }
    startup = seconds.get(Moment.RUNNING, 0.0) - seconds.get(Moment.CREATED, 0.0)
    asked = BEGAN - 50_000_000
    said = {
        "pod": "one",
        "asked": asked,
        "node": "edge-arm",
        "arch": "aarch64",
        "runtime": "runc",
        "history": PodHistory(nodes=(str(more.get("node", "edge-arm")),)),
        "startup_s": startup,
    }
    return PodStart(moments=moments, clock=clock, **{**said, **more})
