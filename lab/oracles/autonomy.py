"""The autonomy oracle: the effects of faults on an edge node and its workload, and the recovery.

It judges the time from the injection of the first fault that concerns the node to the end
of the recording.  "Before" always means before that first injection: what ran then must keep
running.  An observation holds until the next one; while the API server or the node does not
answer, the state is unknown.

Missing evidence is a failure: whatever a figure needs and the recording lacks is a problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_lab.evidence.recording import Recording
from edge_lab.oracles import nodeview, podview
from edge_lab.oracles.case import Case, Expectation, concern_of, faults_of
from edge_lab.oracles.figures import Figures
from edge_lab.oracles.samples import SampleVerdict, judge_samples
from edge_lab.oracles.spans import NANOSECONDS, Span
from edge_lab.oracles.verdict import Verdict

__all__ = ["AutonomyVerdict", "Expectation", "Figures", "concern_of", "judge_autonomy"]


@dataclass(frozen=True)
class AutonomyVerdict(Verdict):
    """The verdict on one node. Times in its evidence are seconds from the first injection."""

    figures: Figures = field(default_factory=Figures)
    samples: tuple[SampleVerdict, ...] = ()


def judge_autonomy(
    recording: Recording, node: str, *, expect: Expectation | None = None
) -> AutonomyVerdict:
    """The verdict on `node` against `expect` (default: nothing stops, everything recovers)."""
    expect = expect or Expectation()
    faults = faults_of(recording, node, expect.concern)
    if not faults:
        nothing = f"no evidence: no fault that concerns {node} was injected"
        return AutonomyVerdict(node, recording.runtime, (nothing,), Figures().measures(node))
    case = Case(recording, node, expect, faults)
    if node not in recording.nodes:
        case.lacking(f"{node} was not observed")
    nodeview.check_faults(case)
    gaps = nodeview.api_gaps(case)
    ready = nodeview.ready_views(case)
    detect = nodeview.detected(case, ready)
    pods = podview.workload(case)
    down, longest = podview.downtime(case, pods)
    podview.up_at_heal(case, pods)
    by_api, by_node = podview.restarts(case, pods)
    recreated = podview.recreated(case, pods)
    duplicates = podview.duplicates(case, pods)
    samples = _samples(case)
    figures = Figures(
        detect_s=detect,
        downtime_s=down if pods else None,
        longest_s=longest if pods else None,
        restarts=by_api,
        replaced=by_node if pods else None,
        recreated=recreated if pods else None,
        duplicates=duplicates if pods else None,
        lost=_count([verdict.lost for verdict in samples]),
        repeated=_count([verdict.repeated for verdict in samples]),
        wrong=_count([verdict.wrong for verdict in samples]),
        late=_count([verdict.late for verdict in samples]),
        ready_after_s=nodeview.returned(case, ready, gaps),
        backlog_after_s=_backlog_in(case, len(samples)),
    )
    return AutonomyVerdict(
        node=node,
        runtime=recording.runtime,
        problems=tuple(case.problems),
        measures=figures.measures(node),
        evidence=tuple(case.evidence),
        figures=figures,
        samples=samples,
    )


def _count(by_device: Sequence[Sequence[object]]) -> int | None:
    return sum(map(len, by_device)) if by_device else None


def _samples(case: Case) -> tuple[SampleVerdict, ...]:
    if not case.expect.sampling:
        return ()
    verdicts = tuple(
        judge_samples(
            observation,
            late_after=case.expect.late_after,
            since=case.expect.since.get(observation.device, 0),
        )
        for observation in sorted(
            case.recording.samples, key=lambda observation: observation.device
        )
        if observation.node == case.node
    )
    absent = sorted({*case.expect.devices} - {verdict.device for verdict in verdicts})
    if absent:
        case.lacking(f"no samples of {', '.join(absent)} on {case.node} were recorded")
    elif not verdicts:
        case.lacking(f"no samples of {case.node} were recorded")
    for verdict in verdicts:
        case.problems += [f"{verdict.device}: {problem}" for problem in verdict.problems]
        case.evidence.append(str(verdict).splitlines()[0])
    return verdicts


def _backlog_in(case: Case, devices: int) -> float | None:
    """Seconds from the last heal until the backlog of the node was back to its usual size."""
    if not case.expect.sampling:
        return None
    views = sorted(
        (seen for seen in case.recording.waiting_seen if seen.node == case.node),
        key=lambda seen: seen.time,
    )
    if not views:
        case.lacking(f"the number of samples buffered on {case.node}")
        return None
    most = max(views, key=lambda seen: seen.waiting)
    case.evidence.append(f"at most {most.waiting} samples were buffered, at {case.at(most.time)}")
    if case.healed is None:
        return None
    after = [seen for seen in views if seen.time >= case.healed]
    if not after:
        if case.expect.must_return:
            case.lacking(f"the number of samples buffered on {case.node} after the last heal")
        return None
    usual = case.expect.at_rest * max(1, devices)
    first = next((seen for seen in after if seen.waiting <= usual), None)
    # A short peak just before the end is not a backlog: samples always wait for a moment.
    end = after[-1].time - int(case.expect.stay_s * NANOSECONDS)
    least = min(seen.waiting for seen in after if seen.time >= end)
    if first is None or least > usual:
        if case.expect.must_return:
            case.problems.append(
                f"the backlog never arrived: {least} samples wait on {case.node} "
                f"at the end, {usual} are usual"
            )
        return None
    case.evidence.append(f"{first.waiting} samples were buffered at {case.at(first.time)}")
    seconds = Span(case.healed, first.time).seconds
    return case.within("the backlog", seconds, case.expect.backlog_s)
