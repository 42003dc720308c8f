"""Watches on their node whether containers restart."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.core.step import step
from edge_lab.fixtures.lab import TimeLimit
from suites.cache.judging import Start
from suites.cache.onnode import CacheNode

CONTAINERS_EVERY = 1.0
JOURNAL_EVERY = 5.0
"""Polling interval, seconds; each poll takes an emulated node a part of a second."""


def seen_within(limit: Deadline, probe: Callable[[], bool], every: float) -> bool:
    """Whether it was seen in time."""
    with contextlib.suppress(DeadlineExceeded):
        return limit.wait_for("the expected state", probe, every=every)
    return False


def watch_starts(
    node: CacheNode, killed: Mapping[str, str], limit: Deadline
) -> dict[str, tuple[bool, float]]:
    """By pod, whether a container with a new id runs, and after how many seconds; returns when all
    do, or at the end of `limit`."""
    began = time.monotonic()
    found: dict[str, float] = {}

    def all_started() -> bool:
        for pod, before in killed.items():
            if pod not in found and node.container(pod) not in ("", before):
                found[pod] = time.monotonic() - began
        return len(found) == len(killed)

    with step(f"watch {', '.join(killed)} on {node.name}"):
        seen_within(limit, all_started, CONTAINERS_EVERY)
    watched = time.monotonic() - began
    return {pod: (pod in found, found.get(pod, watched)) for pod in killed}


def starts_after_kill(
    node: CacheNode,
    images: Mapping[str, str],
    seconds: float,
    time_limit: TimeLimit,
    *,
    to_the_end: bool = False,
) -> dict[str, Start]:
    """Kills the containers of these pods, given with the references of their images, and watches.

    With `to_the_end`, also until there is a message about each image: a pull takes time to fail.
    """
    since = node.now()
    killed = {pod: node.kill(pod) for pod in images}
    assert all(killed.values()), f"not all were running before: {killed}"
    limit = time_limit(seconds)
    seen = watch_starts(node, killed, limit) if not to_the_end else {}
    if to_the_end:
        with step("wait for messages about the images"):
            seen_within(
                limit,
                lambda: all(node.said_of(reference, since) for reference in images.values()),
                JOURNAL_EVERY,
            )
        seen = watch_starts(node, killed, time_limit(5))
    return {
        pod: Start(*seen[pod], said=node.said_of(reference, since))
        for pod, reference in images.items()
    }
