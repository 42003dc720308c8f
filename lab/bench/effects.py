"""How soon a change of the fabric takes effect while frames flow."""

from __future__ import annotations

import bisect
import contextlib
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.bench.frames import flood, receive_times
from edge_lab.bench.media import steered_fabric
from edge_lab.bench.processes import Child
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fabric import CLEAR, DROP, FabricClient

EFFECT_DWELL = 0.06
"""Seconds from one change to the next: more than a change may take."""


def _change(client: FabricClient, times: int) -> list[tuple[float, float]]:
    """When drop and clear were requested (monotonic clock, seconds), for each change."""
    asked = []
    for _ in range(times):
        stop = time.monotonic()
        client.set("link0", tx=DROP)
        time.sleep(EFFECT_DWELL)
        resume = time.monotonic()
        client.set("link0", tx=CLEAR)
        time.sleep(EFFECT_DWELL)
        asked.append((stop, resume))
    return asked


@dataclass(frozen=True)
class Effects:
    """Seconds from the call of `FabricClient.set` until the effect at the receiver."""

    stopped: list[float]
    """Until the last frame arrived."""
    resumed: list[float]
    """Until the first frame arrived again."""


def effects(times: int) -> Effects:
    """Sets drop and clear, each `times` times, while small frames flow through a fabric."""
    with contextlib.ExitStack() as undo:
        ends, client = undo.enter_context(steered_fabric())
        ours, theirs = map(undo.enter_context, socket.socketpair())
        receiver = Child(lambda: receive_times(ends.receiver, theirs))
        sender = Child(lambda: flood(ends.sender, theirs))
        try:
            before = client.link("link1").counters.rx.forwarded
            Deadline.scaled(10).wait_for(
                "frames flow",
                lambda: client.link("link1").counters.rx.forwarded > before,
                every=0.02,
            )
            changes: list[tuple[float, float]] = Child(lambda: _change(client, times)).result()
        finally:
            ours.send(b".")
            sender.result()
            came: list[float] = receiver.result()
    return effects_of(changes, came)


def effects_of(changes: Sequence[tuple[float, float]], came: Sequence[float]) -> Effects:
    """The delays of the changes, from the times of requests and the arrival times of frames."""
    stopped, resumed = [], []
    for stop, resume in changes:
        at = bisect.bisect_left(came, resume)
        if not 0 < at < len(came):
            raise LabError("the traffic that should show the effect of a change did not flow")
        stopped.append(max(0.0, came[at - 1] - stop))
        resumed.append(came[at] - resume)
    return Effects(sorted(stopped), sorted(resumed))
