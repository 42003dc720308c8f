"""Planted defects: the evidence of a day, altered in one part, turns that part's verdict red."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge_lab.addons.functions.limits import Limit
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import NodeMemorySeen
from edge_lab.evidence.recording import Recording
from edge_lab.oracles.memory.leaks import FOLLOWED
from edge_lab.oracles.samples import judge_samples
from edge_lab.oracles.verdict import Verdict
from suites.plantday import judging
from suites.plantday.evidence import DayEvidence, RestartEvidence
from suites.plantday.judging import judge_day

Alter = Callable[[DayEvidence], DayEvidence]

LEAK_SHARE, LEAK_MIB = 0.5, 100.0
"""A planted leak grows by so much of a part, and at least by so many MiB, over a day."""


def _another_revision(day: DayEvidence) -> DayEvidence:
    fleet, *others = day.fleet
    last = next(run for run in reversed(fleet.runs) if run.ended is None)
    stray = replace(last, revision="nobodys")
    runs = tuple(stray if run is last else run for run in fleet.runs)
    return replace(day, fleet=(replace(fleet, runs=runs), *others))


def _started_twice(day: DayEvidence) -> DayEvidence:
    fleet, *others = day.fleet
    last = next(run for run in reversed(fleet.runs) if run.ended is None)
    ended = replace(last, ended=last.began + 1)
    again = replace(last, began=last.began + 2, process=f"{last.process} again")
    runs = (*(run for run in fleet.runs if run is not last), ended, again)
    return replace(day, fleet=(replace(fleet, runs=runs), *others))


def _bad_promoted(day: DayEvidence) -> DayEvidence:
    served, *others = day.models
    acts = tuple(
        replace(act, what="promoted") if act.what == "refused" else act for act in served.day.acts
    )
    return replace(day, models=(replace(served, day=replace(served.day, acts=acts)), *others))


def _request_lost(day: DayEvidence) -> DayEvidence:
    served, *others = day.models
    sent = served.day.requests.sent
    outside = [
        request
        for request in sent
        if request.ok and not any(start <= request.time <= end for start, end in served.day.reboots)
    ]
    gone = outside[len(outside) // 2]
    lost = tuple(replace(request, ok=False) if request is gone else request for request in sent)
    requests = replace(served.day.requests, sent=lost)
    harmed = replace(served, day=replace(served.day, requests=requests))
    return replace(day, models=(harmed, *others))


def _claimed(day: DayEvidence) -> DayEvidence:
    served, *others = day.models
    return replace(day, models=(replace(served, claimed="1"), *others))


def _event_lost(day: DayEvidence) -> DayEvidence:
    evidence, *others = day.functions
    gone = evidence.events[-1].id
    handled = tuple(record for record in evidence.handled if record.id != gone)
    return replace(day, functions=(replace(evidence, handled=handled), *others))


def _event_missing(day: DayEvidence) -> DayEvidence:
    """The cloud also has the events of other nodes, and later ones."""
    evidence, *others = day.functions
    gone = evidence.events[-1].id
    copies = tuple(copy for copy in evidence.copies or () if copy != gone)
    return replace(day, functions=(replace(evidence, copies=copies), *others))


def _metric_lost(day: DayEvidence) -> DayEvidence:
    """The newest one, which no loss of power and no failed scrape excuses."""
    evidence, *others = day.metrics
    last = max(sample.number for sample in evidence.served if not sample.doubtful)
    stored = tuple(sample for sample in evidence.stored if sample.number != last)
    return replace(day, metrics=(replace(evidence, stored=stored, failed=()), *others))


def _old_twin(day: DayEvidence) -> DayEvidence:
    twin, *others = day.twins
    return replace(day, twins=(replace(twin, reported=min(twin.steps)), *others))


def leaking(node: RestartEvidence) -> RestartEvidence:
    """The largest part that was always there grows steadily."""
    first, last = node.readings[0], node.readings[-1]
    always = set.intersection(*({part.name for part in seen.parts} for seen in node.readings))
    found = [part for part in last.parts if part.group in FOLLOWED and part.name in always]
    largest = max(found, key=lambda part: part.mib)
    most = max(LEAK_SHARE * largest.mib, LEAK_MIB)

    def grown(seen: NodeMemorySeen) -> NodeMemorySeen:
        more = most * (seen.time - first.time) / max(1, last.time - first.time)
        parts = tuple(
            part.model_copy(update={"mib": part.mib + more}) if part.name == largest.name else part
            for part in seen.parts
        )
        return seen.model_copy(update={"parts": parts})

    return replace(node, readings=tuple(map(grown, node.readings)))


def _leak(day: DayEvidence) -> DayEvidence:
    node, *others = day.memory
    return replace(day, memory=(leaking(node), *others))


def _killed(day: DayEvidence) -> DayEvidence:
    node, *others = day.memory
    after = node.after.model_copy(update={"kills": node.after.kills + 1})
    return replace(day, memory=(replace(node, after=after), *others))


def _restarted(day: DayEvidence) -> DayEvidence:
    node, *others = day.memory
    unit, word = sorted(node.after.units.items())[0]
    pid, _, restarts = word.partition("/")
    units = {**node.after.units, unit: f"{pid}/{int(restarts or 0) + 9}"}
    after = node.after.model_copy(update={"units": units})
    return replace(day, memory=(replace(node, after=after), *others))


PLANTED: Mapping[str, tuple[str, Alter]] = {
    "a revision that nobody pushed": (judging.FLEET, _another_revision),
    "a revision that is started twice": (judging.FLEET, _started_twice),
    "a bad model that is promoted": (judging.MODELS, _bad_promoted),
    "a request without an answer": (judging.MODELS, _request_lost),
    "a claim of the cloud that is not true": (judging.MODELS, _claimed),
    "an event that is not handled": (judging.FUNCTIONS, _event_lost),
    "an event that is not in the cloud": (judging.FUNCTIONS, _event_missing),
    "a sample of metrics that is lost": (judging.METRICS, _metric_lost),
    "a twin with an old value": (judging.TWINS, _old_twin),
    "a part of memory that grows": (judging.MEMORY, _leak),
    "a process that is killed for lack of memory": (judging.MEMORY, _killed),
    "a unit that is restarted": (judging.MEMORY, _restarted),
}
"""By name, the part whose verdict it turns red, and the defect."""


def missed_defects(
    day: DayEvidence, samples: Sequence[Verdict], limit: Limit, twin_late_s: float
) -> list[str]:
    """The planted defects that the verdicts do not notice; the day itself has passed."""
    missed = []
    for name, (wanted, alter) in PLANTED.items():
        parts = judge_day(alter(day), samples, limit, twin_late_s=twin_late_s)
        red = [part.name for part in parts if not part.passed]
        if red != [wanted]:
            missed.append(f"{name}: {', '.join(red) or 'nothing'} turned red, not {wanted}")
    return missed


def assert_controls(
    day: DayEvidence,
    samples: Sequence[Verdict],
    recording: Recording,
    limit: Limit,
    twin_late_s: float,
) -> None:
    """Each planted defect turns its part red, and no other, on the evidence of this very day.

    Raises:
        LabError: one does not: the verdict would not have noticed it.
    """
    missed = missed_defects(day, samples, limit, twin_late_s)
    for observation in recording.samples:
        counts = observation.counts
        sure = [
            sample
            for sample in observation.collected
            if (sample.node, sample.device) == (observation.node, observation.device)
            and counts is not None
            and sample.number <= counts.acknowledged
        ]
        harmed = replace(
            observation,
            collected=tuple(sample for sample in observation.collected if sample not in sure[-1:]),
        )
        if not judge_samples(harmed).lost:
            missed.append(f"a lost sample of {observation.device} on {observation.node}")
    if missed:
        raise LabError(f"no control: {'; '.join(missed)}")
