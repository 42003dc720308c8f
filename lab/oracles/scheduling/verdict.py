"""The verdict on how pods started on one node, and its measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import COUNT, Better, Measure, identifier, number_text
from edge_lab.oracles.scheduling.stages import STARTUP, PodStart, Stage, StartTimes
from edge_lab.oracles.scheduling.statistics import Ratio, Summary, summary
from edge_lab.oracles.verdict import Verdict

POD_START = "pod start"
"""The heading of the whole start, from created to Running."""

EVIDENCE = "receipt by a watch on the host; the node's journal and runtime state, clock corrected"


def summaries(times: Sequence[StartTimes]) -> Mapping[Stage, Summary]:
    """The times of each stage, over pods of one node and condition."""
    return {
        stage: summary(
            [max(0.0, start.stages[stage].seconds) for start in times],
            max(start.stages[stage].error for start in times),
        )
        for stage in Stage
    }


def startups(times: Sequence[StartTimes]) -> Summary:
    """The times from created to Running, over pods of one node and condition."""
    return summary(
        [start.startup for start in times], max(_startup_error(start) for start in times)
    )


def _startup_error(times: StartTimes) -> float:
    """Both ends are by the host's clock, so a node's does not matter."""
    return min(times.stages[stage].error for stage in (Stage.SCHEDULE, Stage.READY))


def judge_starts(times: Sequence[StartTimes], node: str, stack: str) -> Verdict:
    """Whether each pod started once, on its node, and stayed.

    `stages_of` has ensured that every stage was seen, in order. The duration of a start is not
    judged: on an emulated machine that would judge the host.

    Raises:
        LabError: there is no pod of that node.
    """
    own = [start_times for start_times in times if start_times.start.node == node]
    if not own:
        raise LabError(f"no evidence: no start of a pod on {node} was recorded")
    problems = problems_of([start_times.start for start_times in own])
    return Verdict(node, stack, problems, measures_of(own, node), evidence_of(own))


def problems_of(starts: Iterable[PodStart]) -> tuple[str, ...]:
    """Problems of pods, whether or not all of their stages were seen: those of a restarted pod do
    not belong together."""
    return tuple(
        problem for start in starts for problem in start.history.problems(start.pod, start.node)
    )


def measures_of(times: Sequence[StartTimes], node: str) -> tuple[Measure, ...]:
    """Measures of pods of one node and condition: percentiles of the start, medians of stages."""
    whole = startups(times)
    named = {"p50": whole.p50, "p90": whole.p90, "p99": whole.p99, "at most": whole.most}
    start = tuple(_seconds(POD_START, label, value, node) for label, value in named.items())
    count = Measure(
        name="pods_started",
        value=whole.count,
        unit=COUNT,
        node=node,
        heading=POD_START,
        label="pods",
    )
    by_stage = summaries(times)
    parts = tuple(
        _seconds(
            "stages of a pod start (p50)",
            stage.value,
            None if by_stage[stage].below_error(by_stage[stage].p50) else by_stage[stage].p50,
            node,
            _untold(stage, times, by_stage[stage]),
        )
        for stage in Stage
    )
    return (*start, count, *parts)


def _untold(stage: Stage, times: Sequence[StartTimes], sample: Summary) -> str:
    """The reason why the median of a stage has no figure."""
    reason = f"{stage} is below the clock error, {sample.error * 1000:.0f} ms"
    first = sum(start.stages[stage].end_first for start in times)
    if not first:
        return reason
    return f"{reason}; the node was before the watch with {first} of {len(times)} pods"


def ratio_measure(condition: str, base: str, found: Ratio, node: str) -> Measure:
    """The ratio of two starts as a measure, with its interval in the evidence."""
    return Measure(
        name=identifier(f"pod start {condition} to {base}"),
        value=found.value,
        unit="×",
        better=Better.LOWER,
        node=node,
        heading=f"{POD_START}, {condition} to {base}",
        evidence=f"{found}, 95 % interval, {found.pairs} interleaved pairs",
    )


def evidence_of(times: Sequence[StartTimes]) -> tuple[str, ...]:
    """A line for each pod, and the error of the clocks."""
    lines = [
        f"{start_times.start.pod}: "
        + ", ".join(f"{stage} {start_times.stages[stage]}" for stage in (*STARTUP, Stage.READY))
        for start_times in times
    ]
    error = max(start_times.start.clock.error for start_times in times)
    loads = [start_times.start.load for start_times in times if start_times.start.load is not None]
    host = times[0].start.accelerator or "an accelerator that is not known"
    if loads:
        host += f", host load {number_text(min(loads))} to {number_text(max(loads))}"
    return (*lines, f"the node's clock is known to {error * 1000:.0f} ms; {host}")


def _seconds(heading: str, label: str, value: float | None, node: str, reason: str = "") -> Measure:
    return Measure.of(heading, value, "s", node, label=label, reason=reason, evidence=EVIDENCE)
