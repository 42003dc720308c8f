"""Scenarios for models at the edge, and their evidence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from edge_lab.addons.models.records import Act, FeedRequest, Requests
from edge_lab.addons.models.versions import BETTER, BRITTLE, FRESH
from edge_lab.core.errors import LabError
from edge_lab.oracles.models.cloud import LEAST_LOOKS
from edge_lab.oracles.models.evidence import (
    Canary,
    Evidence,
    Known,
    Latency,
    Look,
    Refusal,
    Reported,
    Rollback,
    Turn,
)
from suites.models.side import Said, Side
from suites.waiting import watch

ROLLOUT_SECONDS = 420.0
"""For all nodes, one after the other, each with a fetch and a comparison."""
BEFORE_SECONDS = 12.0
"""Watched before a scenario begins, and after it has ended."""
UNKNOWN_SECONDS = 120.0
ACT_SECONDS = 120.0
CLOCK_SECONDS = 1.0
ASKED = 60
"""Requests of a latency."""
SETPOINT, CHANGED_SETPOINT = 700, 760
"""Raw: 70 °C, at which models were made, and 76 °C."""


# -- parts -----------------------------------------------------------------------------------------


def known(side: Side) -> Known:
    return Known({side.digests[tag]: version for tag, version in side.versions.items()})


def tag_of(side: Side, digest: str) -> str:
    return next((tag for tag, found in side.digests.items() if found == digest), "")


def serves(side: Side, node: str, tag: str) -> bool:
    return side.serving(node) == side.digests[tag]


def settle(side: Side, tag: str) -> None:
    """All nodes serve it, and the feeds get answers: the initial state of a scenario."""
    if not side.said().complete or not all(serves(side, node, tag) for node in side.order):
        side.want(tag)
        side.until(
            f"all nodes serve {tag}",
            lambda: side.said().complete and all(serves(side, node, tag) for node in side.order),
            ROLLOUT_SECONDS,
        )
    since = side.now()
    side.until(
        "the feeds get answers",
        lambda: all(answers_since(side, node, since) for node in side.nodes),
        ACT_SECONDS,
    )


def answers_since(side: Side, node: str, since: float) -> list[FeedRequest]:
    """The feed's requests after that time that were answered."""
    return [request for request in side.requests(node).sent if request.ok and request.time > since]


def fresh_tags(side: Side, count: int) -> tuple[str, ...]:
    """Good versions that no node has ever been told to serve."""
    used = {act.tag for node in side.order for act in side.acts(node)}
    found = [tag for tag in FRESH if tag not in used]
    if len(found) < count:
        raise LabError(
            f"of the registry's versions, {len(found)} have not been used in this lab, and {count} "
            "are needed",
            remedy="Restore its checkpoint, or take it down and up again.",
        )
    return tuple(found[:count])


def fresh(side: Side) -> str:
    """A good version that no node has ever been told to serve."""
    (tag,) = fresh_tags(side, 1)
    return tag


def evidence(
    side: Side, node: str, began: float, reboots: tuple[tuple[float, float], ...] = ()
) -> Evidence:
    ended = side.now()
    requests = side.requests(node)
    return Evidence(
        node=node,
        runtime=side.runtime(node),
        began=began,
        ended=ended,
        requests=Requests(
            tuple(request for request in requests.sent if request.time >= began),
            tuple(time for time in requests.began if time >= began),
            tuple(time for time in requests.blind if time >= began),
        ),
        acts=tuple(act for act in side.acts(node) if act.time >= began),
        steps=tuple(step for step in side.steps(node) if step.time >= began - 5),
        known=known(side),
        reboots=reboots,
    )


@dataclass(frozen=True)
class LossOfPower:
    """A node had no power, and then its server and its feed were starting."""

    off: float
    up: float
    """When it was seen that the feed had an answer again, or at the timeout."""
    first: str
    """The tag of the first answer after the boot; empty if there was none."""

    @property
    def reboot(self) -> tuple[float, float]:
        """From when to when there could be no answer."""
        return self.off, self.up


def loss_of_power(side: Side, node: str) -> LossOfPower:
    off = side.now()
    side.reset(node)
    booted = side.now()
    side.seen(lambda: answers_since(side, node, booted), ACT_SECONDS)
    answers = answers_since(side, node, booted)
    return LossOfPower(off, side.now(), answers[0].tag if answers else "")


def acted(side: Side, node: str, since: float, what: str, tag: str = "") -> Act | None:
    """The first such act of the node's agent since then."""
    return next(
        (
            act
            for act in side.acts(node)
            if act.time >= since and act.what == what and tag in ("", act.tag)
        ),
        None,
    )


def serving_tag(side: Side, node: str) -> str:
    return tag_of(side, side.serving(node))


def look_at(side: Side, node: str, said: Said) -> Look:
    """What was said, and what runs now. The time is that of its end: what changes meanwhile has
    changed before."""
    shown = said.nodes.get(node, {})
    ran = side.serving(node)
    return Look(side.now(), shown.get("phase", ""), shown.get("digest", ""), ran)


# -- updates ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rolled:
    """A rollout without faults."""

    canary: Canary
    evidence: tuple[Evidence, ...]
    reported: tuple[Reported, ...]
    old: str
    new: str


def update(side: Side) -> Rolled:
    """A fresh version to all nodes; the cloud's status is looked at meanwhile."""
    settle(side, BETTER)
    tag = fresh(side)
    began = side.now()
    watch(side, BEFORE_SECONDS)
    looks: dict[str, list[Look]] = {node: [] for node in side.order}
    side.want(tag)

    def look() -> bool:
        said = side.said()
        for node in side.order:
            looks[node].append(look_at(side, node, said))
        return said.complete and all(serves(side, node, tag) for node in side.order)

    side.seen(look, ROLLOUT_SECONDS)
    watch(side, BEFORE_SECONDS)
    look()
    return Rolled(
        canary_of(side, tag, began),
        tuple(evidence(side, node, began) for node in side.nodes),
        tuple(
            Reported(
                node,
                side.runtime(node),
                tuple(looks[node]),
                changes_of(side, node, began),
                None,
                known(side),
            )
            for node in side.order
        ),
        BETTER,
        tag,
    )


def changes_of(side: Side, node: str, since: float) -> tuple[float, ...]:
    kinds = ("promoted", "rolled-back")
    return tuple(act.time for act in side.acts(node) if act.time >= since and act.what in kinds)


def canary_of(side: Side, tag: str, since: float) -> Canary:
    turns = tuple(turn_of(side, node, tag, since) for node in side.order)
    return Canary(side.runtime(side.order[0]), tag, turns, CLOCK_SECONDS)


def turn_of(side: Side, node: str, tag: str, since: float) -> Turn:
    told, promoted, refused, rolled_back = (
        acted(side, node, since, what, tag)
        for what in ("told", "promoted", "refused", "rolled-back")
    )
    ended = promoted or refused
    outcome = rolled_back or ended
    return Turn(
        node,
        told.time if told else None,
        ended.time if ended else None,
        outcome.what if outcome else "",
        outcome.reason if outcome else "",
    )


# -- refusals and rollbacks ------------------------------------------------------------------------


def refusal(side: Side, tag: str, reason: str, *, compared: bool = False) -> Refusal:
    """A version that the first node must refuse."""
    settle(side, BETTER)
    first, *others = side.order
    began = side.now()
    watch(side, BEFORE_SECONDS)
    side.want(tag)
    side.seen(
        lambda: acted(side, first, began, "refused", tag) is not None and side.said().halted,
        ROLLOUT_SECONDS,
    )
    watch(side, BEFORE_SECONDS)
    told = tuple(node for node in others if acted(side, node, began, "told", tag))
    return Refusal(
        evidence(side, first, began),
        tag,
        reason,
        serving_tag(side, first),
        BETTER,
        side.said().phase if side.said().observed == side.said().generation else "",
        told,
        compared,
    )


def until_offline(side: Side, node: str, cut: float) -> None:
    """The node's agent knows that it is offline."""
    side.until(
        "the node is offline for its agent",
        lambda: acted(side, node, cut - 5, "offline") is not None,
        ACT_SECONDS,
    )


@contextlib.contextmanager
def offline_for_agent(side: Side, node: str) -> Iterator[float]:
    """The node is offline, and its agent knows; yields the time of the cut."""
    with side.offline(node):
        cut = side.now()
        until_offline(side, node, cut)
        yield cut


def served_after_rollback(side: Side, node: str, since: float) -> str:
    """The tag that serves some seconds after a rollback since then, or at the timeout."""
    side.seen(lambda: acted(side, node, since - 1, "rolled-back") is not None, ACT_SECONDS)
    watch(side, BEFORE_SECONDS)
    return serving_tag(side, node)


def rollback(side: Side, node: str, *, reset: bool = True) -> tuple[Rollback, Reported]:
    """Somebody on the node asks for the version before, while the node is offline; then it loses
    its power."""
    settle(side, BETTER)
    tag = fresh(side)
    settle(side, tag)
    began = side.now()
    watch(side, BEFORE_SECONDS)
    looks: list[Look] = []

    def look() -> Look:
        found = look_at(side, node, side.said())
        looks.append(found)
        return found

    look()
    reboots: list[tuple[float, float]] = []
    after_boot = None
    with offline_for_agent(side, node) as cut:
        triggered_at = side.now()
        side.roll_back(node)
        serving = served_after_rollback(side, node, triggered_at)
        side.seen(lambda: look().phase == "Unknown", UNKNOWN_SECONDS)
        if reset:
            reboots.append(loss_of_power(side, node).reboot)
            watch(side, BEFORE_SECONDS)
            after_boot = serving_tag(side, node)
        healed = side.now()
    side.seen(lambda: look().phase == "Failed", ACT_SECONDS)
    # What it says stays; on a slow host, each look takes seconds, and there were few so far.
    side.seen(lambda: bool(look()) and len(looks) >= LEAST_LOOKS, ACT_SECONDS)
    found = evidence(side, node, began, tuple(reboots))
    changes = changes_of(side, node, began)
    return (
        Rollback(found, tag, BETTER, triggered_at, (cut, healed), "Asked", serving, after_boot),
        Reported(node, side.runtime(node), tuple(looks), changes, (cut, healed), known(side)),
    )


def brittle(side: Side, node: str) -> Rollback:
    """A version that was good when it was compared becomes worse than the one before, since the
    device runs differently; the node rolls it back by itself, offline."""
    settle(side, BETTER)
    settle(side, BRITTLE)
    began = side.now()
    watch(side, BEFORE_SECONDS)
    try:
        with offline_for_agent(side, node) as cut:
            changed = side.now()
            side.set_point(node, CHANGED_SETPOINT)
            serving = served_after_rollback(side, node, changed)
            healed = side.now()
    finally:
        side.set_point(node, SETPOINT)
    found = evidence(side, node, began)
    return Rollback(found, BRITTLE, BETTER, changed, (cut, healed), "Worse", serving)


# -- latency ---------------------------------------------------------------------------------------


def latencies(side: Side, node: str) -> list[Latency]:
    """Of the same request to the node's own server and to the cloud's, over the lab's line and over
    a 3G line."""
    settle(side, BETTER)
    found = [_asked(side, node, "edge", ""), _asked(side, node, "cloud", "")]
    with side.slow_line(node):
        found += [_asked(side, node, "edge", "3G"), _asked(side, node, "cloud", "3G")]
    return found


def _asked(side: Side, node: str, where: str, line: str) -> Latency:
    said = side.ask(node, where, ASKED)
    return Latency(
        node,
        side.runtime(node),
        where,
        line,
        tuple(map(float, said["ms"])),
        said["first_ms"],
        tuple(said["tags"]),
        tuple(said["troubles"]),
    )
