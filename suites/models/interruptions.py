"""Scenarios of updates for which a node has no uplink, no power or no space."""

from __future__ import annotations

import contextlib

from edge_lab.addons.models.versions import BETTER
from edge_lab.oracles.models.evidence import (
    CutUpdate,
    FullDisk,
    KilledAgent,
    Look,
    MissedUpdate,
    Reported,
    StagedReset,
)
from edge_lab.oracles.models.updates import NO_SPACE
from suites.models import scenarios
from suites.models.side import Side
from suites.waiting import watch

FETCH_SECONDS = 180.0
AWAY_SECONDS = 30.0
LEAST_BYTES = 100_000
"""Of an interrupted fetch."""


def begin(side: Side) -> tuple[str, float]:
    """A good version serves, and has for some seconds; returns the tag of a new version, and the
    begin of the evidence."""
    scenarios.settle(side, BETTER)
    tag, began = scenarios.fresh(side), side.now()
    watch(side, scenarios.BEFORE_SECONDS)
    return tag, began


def has_part(side: Side, node: str, tag: str, least: int = LEAST_BYTES) -> None:
    side.until(
        f"{node} has a part of {tag}",
        lambda: side.collected(node, tag) >= least,
        FETCH_SECONDS,
    )


def ends_with(side: Side, node: str, tag: str) -> None:
    """Waits until it serves, or too long, and for some seconds more."""
    side.seen(lambda: scenarios.serves(side, node, tag), scenarios.ROLLOUT_SECONDS)
    watch(side, scenarios.BEFORE_SECONDS)


def cut_update(side: Side, node: str, *, reset: bool = False) -> CutUpdate:
    """The uplink is cut while the node fetches a new version; with `reset`, the node loses its
    power before the heal."""
    tag, began = begin(side)
    reboots: list[tuple[float, float]] = []
    with side.slow_cloud():
        side.want(tag)
        has_part(side, node, tag)
        with contextlib.ExitStack() as heal:
            # All of them: one whose neighbour is online fetches through the neighbour's cache.
            for other in side.nodes:
                heal.enter_context(side.offline(other))
            cut = side.now()
            at_cut = side.collected(node, tag)
            if reset:
                reboots.append(scenarios.loss_of_power(side, node).reboot)
            watch(side, AWAY_SECONDS)
            at_heal = side.collected(node, tag)
            healed = side.now()
    ends_with(side, node, tag)
    return CutUpdate(
        scenarios.evidence(side, node, began, tuple(reboots)),
        BETTER,
        tag,
        side.size(tag),
        at_cut,
        at_heal,
        (cut, healed),
        scenarios.serving_tag(side, node),
    )


def staged_reset(side: Side, node: str) -> StagedReset:
    """The node loses its power while it compares a new version, which is complete on it."""
    tag, began = begin(side)
    side.want(tag)
    side.until(
        f"{node} compares {tag}",
        lambda: scenarios.acted(side, node, began, "staged", tag),
        FETCH_SECONDS,
    )
    lost = scenarios.loss_of_power(side, node)
    ends_with(side, node, tag)
    found = scenarios.evidence(side, node, began, (lost.reboot,))
    return StagedReset(found, BETTER, tag, lost.first, scenarios.serving_tag(side, node))


def killed_agent(side: Side, node: str) -> KilledAgent:
    """The node's agent is killed while it fetches a new version, and while it compares it."""
    tag, began = begin(side)
    with side.slow_cloud():
        side.want(tag)
        # Half of it: a fetch that began anew would be seen with less for some seconds.
        has_part(side, node, tag, side.size(tag) // 2)
        at_kill, fetching = side.collected(node, tag), side.now()
        side.kill_agent(node)
        resumed = side.now()
        kept = [side.collected(node, tag)]

        def complete() -> bool:
            kept.append(side.collected(node, tag))
            return scenarios.acted(side, node, began, "staged", tag) is not None

        side.until(f"{node} compares {tag}", complete, FETCH_SECONDS)
    comparing = side.now()
    side.kill_agent(node)
    compares = side.now()
    ends_with(side, node, tag)
    return KilledAgent(
        scenarios.evidence(side, node, began),
        BETTER,
        tag,
        side.size(tag),
        at_kill,
        min(kept),
        ((fetching, resumed), (comparing, compares)),
        scenarios.serving_tag(side, node),
    )


def full_disk(side: Side, node: str) -> FullDisk:
    """The disk is full when the node goes on with a fetch that was interrupted."""
    tag, began = begin(side)
    with contextlib.ExitStack() as undo:
        with side.slow_cloud():
            side.want(tag)
            has_part(side, node, tag)
            with side.offline(node):
                undo.enter_context(side.full_disk(node))
                full = side.now()
                at_full = side.collected(node, tag)
        said = ""

        def is_said() -> bool:
            nonlocal said
            said = side.said().nodes.get(node, {}).get("reason", "")
            return said == NO_SPACE

        side.seen(is_said, scenarios.ACT_SECONDS)
        watch(side, AWAY_SECONDS)
        left = side.collected(node, tag)
        room = side.now()
    ends_with(side, node, tag)
    return FullDisk(
        scenarios.evidence(side, node, began),
        BETTER,
        tag,
        side.size(tag),
        at_full,
        left,
        (full, room),
        said,
        scenarios.serving_tag(side, node),
    )


def missed_update(side: Side, node: str) -> tuple[MissedUpdate, Reported]:
    """Two new versions are wanted, one after the other, while the node is offline."""
    scenarios.settle(side, BETTER)
    skipped, newest = scenarios.fresh_tags(side, 2)
    others = [other for other in side.order if other != node]
    began = side.now()
    watch(side, scenarios.BEFORE_SECONDS)
    looks: list[Look] = []

    def look() -> Look:
        looks.append(scenarios.look_at(side, node, side.said()))
        return looks[-1]

    look()
    with side.offline(node):
        cut = side.now()
        # At once: the cloud does not know yet that the node is out of reach, and tells it.
        side.want(skipped)
        scenarios.until_offline(side, node, cut)
        side.seen(lambda: look().phase == "Unknown", scenarios.UNKNOWN_SECONDS)
        side.want(newest)

        def others_serve() -> bool:
            look()
            return all(scenarios.serves(side, other, newest) for other in others)

        side.seen(others_serve, scenarios.ROLLOUT_SECONDS)
        watch(side, AWAY_SECONDS)
        look()
        healed = side.now()

    def complete() -> bool:
        look()
        return side.said().complete and scenarios.serves(side, node, newest)

    side.seen(complete, scenarios.ROLLOUT_SECONDS)
    watch(side, scenarios.BEFORE_SECONDS)
    look()
    serving = {other: scenarios.serving_tag(side, other) for other in side.order}
    missed = MissedUpdate(
        scenarios.evidence(side, node, began),
        BETTER,
        skipped,
        newest,
        (cut, healed),
        serving,
        side.said().phase,
    )
    reported = Reported(
        node,
        side.runtime(node),
        tuple(looks),
        scenarios.changes_of(side, node, began),
        (cut, healed),
        scenarios.known(side),
    )
    return missed, reported
