"""Scenarios of rollouts that go from region to region."""

from __future__ import annotations

import contextlib

import pytest

from edge_lab.addons.models.versions import BETTER, BRITTLE
from edge_lab.oracles.models.evidence import Evidence, Halt, RegionRollout
from suites.models import scenarios
from suites.models.scenarios import turn_of
from suites.models.side import Side
from suites.waiting import watch

SAMPLES = 24
"""Of the canary region: two windows of comparisons."""
MANY_SAMPLES = 240
"""More than the device has until a brittle version is rolled back."""
AWAY_SECONDS = 30.0

Found = tuple[RegionRollout, tuple[Evidence, ...]]
"""With what each edge node did."""


def canary_nodes(side: Side) -> tuple[str, ...]:
    """The edge nodes of the first stage; skips the test if no edge node is in another one."""
    first = next(iter(side.stages.values()))
    if not set(side.nodes) - set(first):
        pytest.skip("all edge nodes are in one region: the topology needs two")
    return tuple(first)


def good_version(side: Side) -> Found:
    """A good version goes to the canary region, and when it is confirmed, to the others."""
    canary_nodes(side)
    scenarios.settle(side, BETTER)
    tag, began = scenarios.fresh(side), side.now()
    with side.canary(SAMPLES):
        side.want(tag)
        side.seen(lambda: _is_everywhere(side, tag), scenarios.ROLLOUT_SECONDS)
        return _found(side, tag, SAMPLES, began)


def brittle_version(side: Side) -> Found:
    """A version becomes worse than the previous one while the canary region tries it, since the
    devices run differently."""
    canary = canary_nodes(side)
    scenarios.settle(side, BETTER)
    began = side.now()
    with side.canary(MANY_SAMPLES):
        side.want(BRITTLE)
        side.until(
            f"{', '.join(canary)} serve {BRITTLE}",
            lambda: all(scenarios.serves(side, node, BRITTLE) for node in canary),
            scenarios.ROLLOUT_SECONDS,
        )
        changed = side.now()
        try:
            for node in canary:
                side.set_point(node, scenarios.CHANGED_SETPOINT)
            side.seen(lambda: side.said().halted, scenarios.ACT_SECONDS)
            watch(side, AWAY_SECONDS)
        finally:
            for node in canary:
                side.set_point(node, scenarios.SETPOINT)
        return _found(side, BRITTLE, MANY_SAMPLES, began, halt=Halt("Worse", changed))


def region_cut_off(side: Side) -> Found:
    """A version is wanted while the canary region is cut off: the others wait for it."""
    canary = canary_nodes(side)
    scenarios.settle(side, BETTER)
    tag, began = scenarios.fresh(side), side.now()
    with side.canary(SAMPLES):
        with contextlib.ExitStack() as heal:
            cut = max(
                [heal.enter_context(scenarios.offline_for_agent(side, node)) for node in canary]
            )
            side.seen(
                lambda: all(side.said().nodes[node]["phase"] == "Unknown" for node in canary),
                scenarios.UNKNOWN_SECONDS,
            )
            side.want(tag)
            watch(side, AWAY_SECONDS)
            healed = side.now()
        side.seen(lambda: _is_everywhere(side, tag), scenarios.ROLLOUT_SECONDS)
        return _found(side, tag, SAMPLES, began, offline=(cut, healed))


def _is_everywhere(side: Side, tag: str) -> bool:
    serve = all(scenarios.serves(side, node, tag) for node in side.order)
    return serve and side.said().complete


def _found(
    side: Side,
    tag: str,
    samples: int,
    began: float,
    *,
    offline: tuple[float, float] | None = None,
    halt: Halt | None = None,
) -> Found:
    watch(side, scenarios.BEFORE_SECONDS)
    canary, said = canary_nodes(side), side.said()
    rollout = RegionRollout(
        runtime=side.runtime(canary[0]),
        tag=tag,
        previous=BETTER,
        samples=samples,
        region=next(iter(side.stages)),
        canary=tuple(turn_of(side, node, tag, began) for node in canary),
        others=tuple(turn_of(side, node, tag, began) for node in side.order if node not in canary),
        steps={
            node: tuple(step.time for step in side.steps(node) if step.time >= began)
            for node in canary
        },
        ended=side.now(),
        serving={node: scenarios.serving_tag(side, node) for node in side.order},
        phase=said.phase if said.observed == said.generation else "",
        clock_s=scenarios.CLOCK_SECONDS,
        offline=offline,
        halt=halt,
    )
    return rollout, tuple(scenarios.evidence(side, node, began) for node in side.nodes)
