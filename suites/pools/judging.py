"""Verdicts on node pools; pure functions of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from edge_lab.addons.pools.names import SITE
from edge_lab.addons.witness import Run, first_run, running_at
from edge_lab.measuring.measures import COUNT, Measure
from edge_lab.oracles.verdict import Verdict
from suites.pools.evidence import Away, Change, Neighbour, Placement, Traffic

LEAST_AWAY_SECONDS = 30.0
WITNESSED = "processes on the node"

_measure = partial(Measure.of, evidence=WITNESSED)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _told(runs: Sequence[Run], since: float) -> tuple[str, ...]:
    return tuple(
        f"{run.revision}: from {run.began - since:.1f} s "
        + ("on" if run.ended is None else f"to {run.ended - since:.1f} s")
        for run in runs
        if run.ended is None or run.ended >= since
    )


def _started(runs: Sequence[Run], began: float, ended: float) -> list[Run]:
    return [run for run in runs if began < run.began <= ended]


def without(runs: Sequence[Run], began: float, ended: float) -> float:
    """Seconds in between in which no pod of the workload ran."""
    missing, at = 0.0, began
    for run in sorted(runs, key=lambda run: run.began):
        missing += max(min(run.began, ended) - at, 0.0)
        at = max(at, ended if run.ended is None else run.ended)
    return missing + max(ended - at, 0.0)


# -- configurations --------------------------------------------------------------------------


def judge_placement(placement: Placement) -> Verdict:
    """Whether a node is in its pool and region, and runs the configuration of its pool alone."""
    node, problems = placement.node, []
    if node not in placement.members:
        problems.append(f"pool {placement.pool} has {_names(placement.members)}, not {node}")
    if placement.region != placement.pool:
        problems.append(f"its region is {placement.region or 'unknown'}, not {placement.pool}")
    running = running_at(placement.runs, SITE, placement.observed_at)
    if set(running) != {placement.configuration}:
        problems.append(f"it runs {_names(running)}, not {placement.configuration}")
    first = first_run(placement.runs, SITE, placement.configuration)
    measure = _measure(
        "configuration of its pool runs after",
        None if first is None else first.began - placement.changed,
        "s",
        node,
        reason="it was not seen",
    )
    told = _told(placement.runs, placement.changed)
    return Verdict(node, placement.runtime, tuple(problems), (measure,), told)


def judge_change(change: Change, *, limit_s: float) -> Verdict:
    """Whether the new configuration runs after a single start and in time, and the old one has
    ended."""
    problems: list[str] = []
    if not any(run.revision == change.previous for run in change.runs):
        problems.append(f"no evidence: it never ran {change.previous}")
    running = running_at(change.runs, SITE, change.observed_at)
    if running != (change.configuration,):
        problems.append(f"it runs {_names(running)}, not {change.configuration} alone")
    first = first_run(change.runs, SITE, change.configuration)
    starts = _started(change.runs, change.since, change.observed_at)
    if first is not None and first.began > change.since + limit_s:
        late = first.began - change.since
        problems.append(f"it started after {late:.0f} s; {limit_s:g} s are allowed")
    if first is not None and first.began < change.since:
        problems.append(f"it ran {change.configuration} before the {change.what}")
    if len(starts) > 1:
        problems.append(f"{len(starts)} starts after the {change.what}, not one")
    label = f"after the {change.what}"
    measures = [
        _measure(
            "new configuration runs",
            None if first is None else first.began - change.since,
            "s",
            change.node,
            label=label,
            reason="it was not seen",
        ),
        _measure("starts", len(starts), COUNT, change.node, label=label),
        _measure(
            "without the workload",
            round(without(change.runs, change.since, change.observed_at), 1),
            "s",
            change.node,
            label=label,
        ),
    ]
    if change.refused is not None:
        measures.append(
            _measure(
                "pods refused by the node",
                change.refused,
                COUNT,
                change.node,
                label=label,
                evidence="failed pods in the API server",
            )
        )
    told = _told(change.runs, change.since)
    return Verdict(change.node, change.runtime, tuple(problems), tuple(measures), told)


def judge_neighbour(neighbour: Neighbour) -> Verdict:
    """Whether a node goes on undisturbed while another pool gets a new configuration."""
    problems: list[str] = []
    runs = neighbour.runs
    if not neighbour.reached:
        problems.append("no evidence: the other pool does not run its new configuration")
    if running_at(runs, SITE, neighbour.changed) != (neighbour.configuration,):
        problems.append(f"no evidence: it did not run {neighbour.configuration} at first")
    starts = len(_started(runs, neighbour.changed, neighbour.observed_at))
    if starts:
        problems.append(f"{starts} restarts, although nothing changed for its pool")
    measure = _measure(
        "restarts by a change of another pool", starts, COUNT, neighbour.node, evidence=WITNESSED
    )
    told = _told(runs, neighbour.changed)
    return Verdict(neighbour.node, neighbour.runtime, tuple(problems), (measure,), told)


# -- cut off ---------------------------------------------------------------------------------


def judge_away(away: Away) -> Verdict:
    """Whether a node of a pool that is cut off goes on as it was; after a loss of power, whether it
    runs the same configuration again, after one start."""
    problems: list[str] = []
    seconds = away.ended - away.began
    if seconds < LEAST_AWAY_SECONDS:
        problems.append(f"no evidence: it was cut off for {seconds:.0f} s")
    if not away.began < away.changed < away.ended:
        problems.append("no evidence: no configuration was changed while it was cut off")
    if not away.noticed:
        problems.append("no evidence: the cloud did not mark it as lost")
    if running_at(away.runs, SITE, away.began) != (away.configuration,):
        problems.append(f"no evidence: it did not run {away.configuration} at first")
    starts = _started(away.runs, away.began, away.ended)
    outage = without(away.runs, away.began, away.ended)
    if away.reset is None:
        label, head = "while cut off", f"{away.configuration}, cut off for {seconds:.0f} s"
        if starts:
            problems.append(f"it started {_names(run.revision for run in starts)} while cut off")
        if outage:
            problems.append(f"the workload did not run for {outage:.0f} s")
    else:
        label = "after a loss of power"
        head = (
            f"{away.configuration}, cut off for {seconds:.0f} s, lost its power after "
            f"{away.reset - away.began:.0f} s"
        )
        problems += _after_reset(away, away.reset, starts)
    measures = (
        _measure("without the workload", round(outage, 1), "s", away.node, label=label),
        _measure("starts", len(starts), COUNT, away.node, label=label),
    )
    told = _told(away.runs, away.began)
    return Verdict(away.node, away.runtime, tuple(problems), measures, (head, *told))


def _after_reset(away: Away, reset: float, starts: Sequence[Run]) -> Iterable[str]:
    if not away.changed < reset < away.ended:
        yield "no evidence: it did not lose its power after the change"
    running = running_at(away.runs, SITE, away.ended)
    if running != (away.configuration,):
        yield f"after its boot it runs {_names(running)}, not {away.configuration}"
    others = {run.revision for run in starts} - {away.configuration}
    if others:
        yield f"it started {_names(others)} while cut off"
    early = [run for run in starts if run.began < reset]
    if early:
        yield f"{len(early)} starts before it lost its power"
    if len(starts) != 1:
        yield f"{len(starts)} starts while it was cut off, not one"


# -- traffic ---------------------------------------------------------------------------------


def judge_traffic(
    traffic: Traffic, *, alone: bool = False, before: Traffic | None = None
) -> Verdict:
    """Whether a node is given the endpoints of its own pool, all of them and no other.

    With `alone` there may be no other pool with pods. `before` is the same at an earlier time: its
    missing endpoints are counted, not judged.
    """
    problems: list[str] = []
    if not traffic.own:
        problems.append("no evidence: its pool has no pod that is Ready")
    if not traffic.foreign and not alone:
        problems.append("no evidence: no other pool has a pod that is Ready")
    outside = traffic.given & traffic.foreign
    if outside:
        problems.append(f"{traffic.service} leads to pods of other pools: {_names(outside)}")
    lacking = traffic.own - traffic.given
    if lacking:
        problems.append(
            f"{traffic.service} does not lead to pods of the own pool: {_names(lacking)}"
        )
    unknown = traffic.given - traffic.own - traffic.foreign
    if unknown:
        problems.append(f"{traffic.service} leads to {_names(unknown)}, where no pod is Ready")
    evidence = "addresses in the node's rules for the Service"
    counts = {"endpoints of other pools": len(outside), "missing endpoints": len(lacking)}
    if before is not None:
        counts["missing endpoints before yurthub knew the pool"] = len(before.own - before.given)
    measures = tuple(
        _measure(heading, count, COUNT, traffic.node, label=traffic.service, evidence=evidence)
        for heading, count in counts.items()
    )
    told = (
        f"{traffic.service}: {_names(traffic.given)}",
        f"{traffic.pool}: {_names(traffic.own)}",
        f"other pools: {_names(traffic.foreign)}",
    )
    return Verdict(traffic.node, traffic.runtime, tuple(problems), measures, told)
