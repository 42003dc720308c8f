"""Rollouts that go from region to region, behind a canary region."""

from __future__ import annotations

from edge_lab.oracles.models.evidence import RegionRollout
from edge_lab.oracles.models.requests import measure
from edge_lab.oracles.verdict import Verdict

LEAST_SECONDS = 20.0
"""That the canary region must be cut off, or that others must have had time to be told."""


def judge_regions(rollout: RegionRollout) -> Verdict:
    """No other node gets a version that the canary region has not confirmed on live samples."""
    problems = [] if rollout.canary and rollout.others else ["no evidence: fewer than two regions"]
    told = sorted((turn.told, turn.node) for turn in rollout.others if turn.told is not None)
    first = told[0] if told else None
    if rollout.halt is not None:
        problems += _halted(rollout, [node for _, node in told])
    else:
        problems += _confirmed(rollout, first)
        problems += _complete(rollout)
    if rollout.offline is not None:
        problems += _held(rollout, first)
    promoted = _promoted(rollout)
    waited = first[0] - max(promoted) if first and promoted else None
    measures = (
        measure(
            "canary region, then the next",
            waited,
            "s",
            "",
            label=f"{rollout.samples} samples",
            evidence="journals of agents",
            reason="the rollout was halted",
        ),
    )
    turns = (*rollout.canary, *rollout.others)
    lines = tuple(f"{turn.node}: {turn.outcome or 'not told'}" for turn in turns)
    return Verdict(rollout.region, rollout.runtime, tuple(problems), measures, lines)


def _promoted(rollout: RegionRollout) -> list[float]:
    """When the nodes of the canary region promoted the version."""
    return [
        turn.ended
        for turn in rollout.canary
        if turn.outcome in ("promoted", "rolled-back") and turn.ended is not None
    ]


def _confirmed(rollout: RegionRollout, first: tuple[float, str] | None) -> list[str]:
    """Whether the device had so many steps between each promotion and the next region's turn."""
    if first is None:
        return []
    problems = []
    for turn in rollout.canary:
        if turn.ended is None:
            problems.append(f"{first[1]} was told, and {turn.node} had not promoted it")
            continue
        steps = rollout.steps.get(turn.node, ())
        if not steps:
            problems.append(f"no evidence: no steps of the device of {turn.node}")
            continue
        count = sum(turn.ended <= time < first[0] + rollout.clock_s for time in steps)
        if count < rollout.samples:
            problems.append(
                f"{first[1]} was told {count} steps after {turn.node} had promoted the version; "
                f"{rollout.samples} samples are needed"
            )
    return problems


def _complete(rollout: RegionRollout) -> list[str]:
    problems = _not_serving(rollout, rollout.tag)
    if rollout.phase != "Complete":
        problems.append(f"the cloud says {rollout.phase!r}, not 'Complete'")
    return problems


def _not_serving(rollout: RegionRollout, expected: str) -> list[str]:
    nodes = (turn.node for turn in (*rollout.canary, *rollout.others))
    return [
        f"{rollout.serving.get(node) or 'nothing'} serves on {node}, not {expected}"
        for node in nodes
        if rollout.serving.get(node) != expected
    ]


def _halted(rollout: RegionRollout, told: list[str]) -> list[str]:
    """Whether the version was rolled back in the canary region, and reached no other."""
    halt, problems = rollout.halt, list[str]()
    if halt is None:
        return problems
    if told:
        problems.append(f"{', '.join(told)} were told to serve it, too")
    back = [turn for turn in rollout.canary if turn.outcome == "rolled-back"]
    if not back:
        problems.append(f"no evidence: {rollout.tag} was not rolled back in {rollout.region}")
    for turn in back:
        if turn.reason != halt.reason:
            problems.append(f"{turn.node}: the reason is {turn.reason!r}, not {halt.reason!r}")
        if turn.ended is None or turn.ended > halt.changed_at:
            problems.append(f"no evidence: {turn.node} had not promoted it before the change")
    if rollout.ended - halt.changed_at < LEAST_SECONDS:
        problems.append("no evidence: it ended too soon after the change")
    problems += _not_serving(rollout, rollout.previous)
    if rollout.phase != "Halted":
        problems.append(f"the cloud says {rollout.phase!r}, not 'Halted'")
    return problems


def _held(rollout: RegionRollout, first: tuple[float, str] | None) -> list[str]:
    """Whether nobody got the version while the canary region was cut off."""
    if rollout.offline is None:
        return []
    (cut, healed), problems = rollout.offline, list[str]()
    if healed - cut < LEAST_SECONDS:
        problems.append(f"no evidence: {rollout.region} was cut off for {healed - cut:.0f} s")
    if any(
        turn.told is not None and turn.told < healed - rollout.clock_s for turn in rollout.canary
    ):
        problems.append(f"no evidence: {rollout.region} knew the version before the heal")
    if first is not None and first[0] < healed - rollout.clock_s:
        problems.append(f"{first[1]} was told while {rollout.region} was cut off")
    return problems
