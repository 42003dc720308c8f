"""Verdicts on the parts of a day, and the one over all; pure functions of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from edge_lab.addons.functions.limits import Limit
from edge_lab.addons.metrics.names import SCRAPE_SECONDS
from edge_lab.addons.witness import Run, first_run, running_at
from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.oracles.models.requests import counts_by_tag, requests_found
from edge_lab.oracles.verdict import Verdict
from suites.functions import judging as functions
from suites.functions.evidence import Evidence as FunctionEvidence
from suites.metrics.evidence import RESET
from suites.metrics.evidence import Evidence as MetricEvidence
from suites.metrics.judging import AFTER_RESET, NOTHING, judge_samples
from suites.plantday.evidence import DayEvidence, FleetEvidence, ServedEvidence, TwinEvidence
from suites.plantday.memory import judge_node_memory

TWIN_LATE_SECONDS = 10.0
"""How much older than the collect cycle the value of a twin may be in the end."""
ANSWER_GAP_SECONDS = 30.0
"""Time without an answer of a model that is allowed: an emulated CPU does everything else, too."""
STAMP_SECONDS = 3.0 * SCRAPE_SECONDS
"""Between the timestamp of a scrape, which is when it was due, and its answer. One emulated CPU
does everything else, too: 4.7 s were seen on a busy host."""
LEAST_EVENTS = 1
"""Of each way of waking, on each node."""

FLEET, FUNCTIONS, METRICS = "updates from Git", "functions", "metrics"
MODELS, SAMPLES, TWINS, MEMORY = "models", "samples", "twins", "memory"
PARTS = (FLEET, MODELS, FUNCTIONS, METRICS, SAMPLES, TWINS, MEMORY)


@dataclass(frozen=True)
class Part:
    """One part of the day with its verdicts, one or several for each node."""

    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        if not self.verdicts:
            return ("no evidence: nothing was judged",)
        return tuple(
            f"{verdict.node}: {problem}"
            for verdict in self.verdicts
            for problem in verdict.problems
        )

    @property
    def passed(self) -> bool:
        return not self.problems


def judge_day(
    day: DayEvidence,
    samples: Sequence[Verdict],
    limit: Limit,
    *,
    twin_late_s: float = TWIN_LATE_SECONDS,
) -> tuple[Part, ...]:
    """All parts. `samples` are the verdicts of the autonomy oracle on the recording of the day;
    `limit` is the limit of the device that wakes functions."""
    return (
        Part(FLEET, tuple(judge_fleet(node) for node in day.fleet)),
        Part(MODELS, tuple(judge_served(node) for node in day.models)),
        Part(
            FUNCTIONS,
            tuple(verdict for node in day.functions for verdict in judge_functions(node, limit)),
        ),
        Part(METRICS, tuple(judge_metrics(sender) for sender in day.metrics)),
        Part(SAMPLES, tuple(samples)),
        Part(TWINS, tuple(judge_twin_now(twin, late_s=twin_late_s) for twin in day.twins)),
        Part(MEMORY, tuple(judge_node_memory(node) for node in day.memory)),
    )


def judge_whole(parts: Sequence[Part], stack: str, *, faults: int, actions: int) -> Verdict:
    """The one verdict: nothing lost, memory flat."""
    absent = [name for name in PARTS if name not in {part.name for part in parts}]
    problems = [f"no evidence: {name} was not judged" for name in absent]
    problems += [f"{part.name}: {problem}" for part in parts for problem in part.problems]
    if not faults:
        problems.append("no evidence: no fault was injected")
    if not actions:
        problems.append("no evidence: nothing was pushed or updated")
    passed = sum(part.passed for part in parts)
    measures = (
        _measure("parts of the day that passed", passed, COUNT, "", better=Better.HIGHER),
        _measure("faults of the day", faults, COUNT, "", better=Better.NEITHER),
    )
    lines = tuple(f"{part.name}: {'passed' if part.passed else 'failed'}" for part in parts)
    return Verdict("all nodes", stack, tuple(problems), measures, lines)


_measure = partial(
    Measure.of, reason="it was not seen", evidence="a day of operation under a plan of faults"
)


# -- updates from Git ------------------------------------------------------------------------------


def judge_fleet(fleet: FleetEvidence) -> Verdict:
    """Whether the node runs the last revision, and has run nothing but pushed good ones, each once
    and none again after a newer one. A boot starts what runs once more."""
    problems: list[str] = []
    good = [made.name for made in fleet.made if not made.bad]
    bad = {made.name for made in fleet.made if made.bad}
    unaccepted = [made.name for made in fleet.made[1:] if made.pushed is None]
    if unaccepted:
        problems.append(f"no evidence: {', '.join(unaccepted)} was never accepted")
    if len(good) < 2:
        problems.append("no evidence: nothing was pushed")
    last = good[-1] if good else ""
    for part in fleet.parts:
        runs = [
            run
            for run in fleet.runs
            if run.part == part and (run.ended is None or run.ended >= fleet.began)
        ]
        if good and not any(run.revision == good[0] for run in runs):
            problems.append(f"no evidence: {part} did not run {good[0]} at first")
        now = running_at(runs, part, fleet.observed_at)
        if now != (last,):
            problems.append(f"{part} runs {', '.join(now) or 'nothing'} at the end, not {last}")
        for name in sorted({run.revision for run in runs}):
            if name in bad:
                problems.append(f"{part} ran {name}, which cannot be applied")
            elif name not in good:
                problems.append(f"{part} ran {name}, which was never pushed")
        problems += _started_again(part, runs, fleet)
        problems += _went_back(part, runs, good)
    pushed = next((made.pushed for made in reversed(fleet.made) if made.name == last), None)
    first = [first_run(fleet.runs, part, last) for part in fleet.parts]
    began = max((run.began for run in first if run), default=None)
    took = began - pushed if began is not None and pushed is not None and all(first) else None
    ran = {run.revision for run in fleet.runs} & set(good)
    measures = (
        _measure("revision running", took, "s", fleet.node, label="the last of the day"),
        _measure("revisions run", len(ran), COUNT, fleet.node, better=Better.NEITHER),
    )
    lines = tuple(
        f"{run.part} {run.revision}: from {run.began - fleet.began:.0f} s "
        + ("on" if run.ended is None else f"to {run.ended - fleet.began:.0f} s")
        for run in fleet.runs
        if run.ended is None or run.ended >= fleet.began
    )
    return Verdict(fleet.node, fleet.runtime, tuple(problems), measures, lines)


def _started_again(part: str, runs: Sequence[Run], fleet: FleetEvidence) -> Iterable[str]:
    """Starts of a revision that no boot explains."""
    for name in dict.fromkeys(run.revision for run in runs):
        starts = [run.began for run in runs if run.revision == name]
        booted = sum(
            any(start < boot <= later for boot, _ in fleet.boots)
            for start, later in pairwise(starts)
        )
        if len(starts) > 1 + booted:
            yield f"{part} {name} was started {len(starts)} times, {booted} of them by a boot"


def _went_back(part: str, runs: Sequence[Run], good: Sequence[str]) -> Iterable[str]:
    places = [good.index(run.revision) for run in runs if run.revision in good]
    for before, after in pairwise(places):
        if after < before:
            yield f"{part} went back from {good[before]} to {good[after]}"


# -- models ----------------------------------------------------------------------------------------


def judge_served(served: ServedEvidence) -> Verdict:
    """Whether each request was answered by a whole, known version that may serve, the bad one was
    not promoted, and the node, the people and the cloud agree in the end."""
    good = [wish.tag for wish in served.wishes if not wish.bad]
    bad = {wish.tag for wish in served.wishes if wish.bad}
    problems: list[str] = []
    measures: tuple[Measure, ...] = ()
    if served.asks:
        found, measures = requests_found(
            served.day, set(good), "of the day", gap_s=ANSWER_GAP_SECONDS
        )
        problems += found
    if len(good) < 2 or not bad:
        problems.append("no evidence: no update, or no update to a bad version")
    acts = served.day.acts
    problems += [
        f"{act.tag} was promoted" for act in acts if act.what == "promoted" and act.tag in bad
    ]
    refused = [act for act in acts if act.what == "refused" and act.tag in bad]
    if served.judges and not refused:
        problems.append("no evidence: the bad version was not refused on this node")
    wrong = [act for act in refused if act.reason != "Worse"]
    problems += [f"{act.tag} was refused as {act.reason!r}, not as 'Worse'" for act in wrong]
    wanted = good[-1] if good else ""
    if served.serving != wanted:
        problems.append(f"{served.serving or 'nothing'} serves at the end, not {wanted}")
    if served.claimed != served.serving or served.phase == "Unknown":
        problems.append(
            f"the cloud reports {served.claimed or 'nothing'} ({served.phase}), but "
            f"{served.serving or 'nothing'} serves"
        )
    if served.rollout != "Complete":
        problems.append(f"the rollout is {served.rollout!r}, not 'Complete'")
    lines = counts_by_tag(served.day)
    return Verdict(served.node, served.runtime, tuple(problems), measures, lines)


# -- functions, metrics, twins ---------------------------------------------------------------------


def judge_functions(evidence: FunctionEvidence, limit: Limit) -> Sequence[Verdict]:
    """Whether each crossing was one event, handled once, and all are in the cloud."""
    return (
        functions.judge_source(evidence, limit, least=LEAST_EVENTS),
        *(functions.judge_events(evidence, way, least=LEAST_EVENTS) for way in evidence.ways),
        functions.judge_copies(evidence, least=LEAST_EVENTS),
    )


def judge_metrics(evidence: MetricEvidence) -> Verdict:
    """Whether the cloud has each sample; after a loss of power, those that the disk can have
    held."""
    allowance = AFTER_RESET if RESET in evidence.marks else NOTHING
    return judge_samples(evidence, allowance, tolerance_s=STAMP_SECONDS)


def judge_twin_now(twin: TwinEvidence, *, late_s: float = TWIN_LATE_SECONDS) -> Verdict:
    """Whether the twin reports what its device shows, in the end."""
    problems: list[str] = []
    age = None
    if not twin.steps:
        problems.append("no evidence: the device's ground truth is empty")
    elif twin.reported is None:
        problems.append(f"{twin.twin} reports nothing")
    elif twin.reported not in twin.steps:
        problems.append(f"{twin.twin} reports step {twin.reported}, which was never shown")
    else:
        shown = sorted(twin.steps)
        after = [number for number in shown if number > twin.reported]
        replaced = twin.steps[after[0]] if after else twin.observed_at
        age = max(0.0, twin.observed_at - replaced)
        if age > twin.collect_s + late_s:
            problems.append(
                f"{twin.twin} reports a value that was replaced {age:.0f} s before; "
                f"{twin.collect_s + late_s:.0f} s are allowed"
            )
    measure = _measure("age of a twin's value", age, "s", twin.node, label="in the end")
    line = f"{twin.twin}: step {twin.reported} of {max(twin.steps, default=0)}"
    return Verdict(twin.node, twin.runtime, tuple(problems), (measure,), (line,))
