"""What the cloud says beside what runs, the order of rollouts, and latencies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from edge_lab.measuring.measures import COUNT
from edge_lab.measuring.percentile import percentile
from edge_lab.oracles.models.evidence import Canary, Latency, Look, Reported
from edge_lab.oracles.models.requests import measure
from edge_lab.oracles.verdict import Verdict

LAG_SECONDS = 30.0
"""After a change on a node, the cloud may still show the version before: reports, the operator and
an emulated API server take that long."""
CLOCK_SECONDS = 1.0
"""By how much a node's clock may be wrong against the host's."""
SILENT_SECONDS = 75.0
"""After this time without a node, the cloud must not claim anything of it."""
LEAST_LOOKS = 5
LEAST_REQUESTS = 10


def judge_reported(reported: Reported) -> Verdict:
    """What the cloud claims to run runs; of a node that is out of reach, it claims nothing."""
    looks, problems = reported.looks, list[str]()
    if len(looks) < LEAST_LOOKS:
        problems.append(f"no evidence: {len(looks)} looks")
    if not reported.changes:
        problems.append("no evidence: the version did not change")
    wrong = 0
    stale = 0
    for look in looks:
        claims = bool(look.said) and look.phase != "Unknown"
        fresh = any(
            -CLOCK_SECONDS <= look.time - change <= LAG_SECONDS for change in reported.changes
        )
        away = _away(reported, look.time)
        if claims and away is not None and away > SILENT_SECONDS:
            stale += 1
            if stale == 1:
                problems.append(
                    f"{away:.0f} s after the cut the cloud still says that "
                    f"{reported.known.tag(look.said)} runs"
                )
        elif claims and look.said != look.ran and not fresh and not _is_excused(reported, look):
            wrong += 1
            if wrong == 1:
                problems.append(
                    f"the cloud says that {reported.known.tag(look.said)} runs, and "
                    f"{reported.known.tag(look.ran)} does"
                )
    last = looks[-1] if looks else None
    if last is not None and (last.said != last.ran or last.phase == "Unknown"):
        problems.append(
            f"in the end the cloud says {last.phase} {reported.known.tag(last.said)}, and "
            f"{reported.known.tag(last.ran)} runs"
        )
    lag = _lag(reported)
    measures = (
        measure("wrong claims of the cloud", wrong + stale, COUNT, reported.node),
        measure("cloud knows a change", lag, "s", reported.node, reason="no change while online"),
    )
    lines = tuple(
        f"{look.phase} {reported.known.tag(look.said) if look.said else '–'} said, "
        f"{reported.known.tag(look.ran) if look.ran else '–'} runs"
        for look in looks
    )
    shown = tuple(line for index, line in enumerate(lines) if not index or lines[index - 1] != line)
    return Verdict(reported.node, reported.runtime, tuple(problems), measures, shown)


def _away(reported: Reported, time: float) -> float | None:
    """Seconds since the cut; None outside of it."""
    if reported.offline is None:
        return None
    cut, healed = reported.offline
    return time - cut if cut <= time <= healed else None


def _is_excused(reported: Reported, look: Look) -> bool:
    """Whether the cloud could not know: during a cut, and for a while after its heal."""
    if reported.offline is None:
        return False
    cut, healed = reported.offline
    return cut <= look.time <= healed + LAG_SECONDS


def _lag(reported: Reported) -> float | None:
    """From a change to the first look at which the cloud shows what runs then."""
    found = []
    for change in reported.changes:
        if reported.offline and reported.offline[0] <= change <= reported.offline[1]:
            continue
        right = [
            look.time for look in reported.looks if look.time >= change and look.said == look.ran
        ]
        if right:
            found.append(min(right) - change)
    return max(found, default=None)


def judge_canary(canary: Canary) -> Verdict:
    """One node after the other, in order; after a failure no other one."""
    problems: list[str] = []
    told = [turn for turn in canary.turns if turn.told is not None]
    if len(canary.turns) < 2 or not told:
        problems.append("no evidence: fewer than two nodes, or none was told")
    order: Sequence[str] = [turn.node for turn in sorted(told, key=lambda turn: turn.told or 0)]
    wanted = [turn.node for turn in told]
    if list(order) != wanted:
        problems.append(f"told in the order {', '.join(order)}, not {', '.join(wanted)}")
    for before, after in pairwise(told):
        if before.ended is None or (after.told or 0) < before.ended - canary.clock_s:
            problems.append(f"{after.node} was told before {before.node} had ended")
    failed = next(
        (index for index, turn in enumerate(canary.turns) if turn.outcome == "refused"), None
    )
    if failed is not None:
        late = [turn.node for turn in canary.turns[failed + 1 :] if turn.told is not None]
        if late:
            problems.append(
                f"{', '.join(late)} were told after {canary.turns[failed].node} refused"
            )
    elif any(turn.outcome != "promoted" for turn in canary.turns):
        lacking = [turn.node for turn in canary.turns if turn.outcome != "promoted"]
        problems.append(f"{', '.join(lacking)} did not get {canary.tag}")
    ended = [turn.ended for turn in canary.turns if turn.ended is not None]
    took = max(ended) - min(turn.told for turn in told if turn.told) if told and ended else None
    measures = (
        measure(
            "rollout",
            took,
            "s",
            "",
            label=f"{len(told)} of {len(canary.turns)} nodes",
            evidence="journals of agents",
        ),
    )
    lines = tuple(f"{turn.node}: {turn.outcome or 'not told'}" for turn in canary.turns)
    return Verdict("all nodes", canary.runtime, tuple(problems), measures, lines)


def judge_latency(latency: Latency, *, tag: str) -> Verdict:
    """A measurement: all requests were answered by the version. No limit is judged."""
    problems: list[str] = []
    if len(latency.ms) < LEAST_REQUESTS:
        problems.append(f"no evidence: {len(latency.ms)} answers")
    if latency.troubles:
        problems.append(f"{len(latency.troubles)} requests failed: {latency.troubles[0]}")
    if latency.ms and latency.tags != (tag,):
        problems.append(f"answered by {', '.join(latency.tags)}, not {tag}")
    times = sorted(latency.ms)
    heading = f"inference {latency.where}"
    if latency.line:
        heading += f", {latency.line}"
    told = "requests from the edge node, one after the other, on one connection"
    figures = {
        "p50": percentile(times, 50) if times else None,
        "p99": percentile(times, 99) if times else None,
        "first": latency.first_ms,
    }
    measures = tuple(
        measure(heading, value, "ms", latency.node, label=label, evidence=told)
        for label, value in figures.items()
    )
    return Verdict(latency.node, latency.runtime, tuple(problems), measures, ())
