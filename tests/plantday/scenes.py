"""A day that passes every verdict, made up: twelve minutes, with the faults of its real plan."""

from __future__ import annotations

import functools
from itertools import cycle

from edge_lab.addons.functions.records import NANOSECONDS, Event, Handled
from edge_lab.addons.metrics.records import Served, Stored
from edge_lab.addons.models.records import Act, FeedRequest, Requests
from edge_lab.addons.models.versions import BETTER, INPUTS, WORSE
from edge_lab.addons.witness import Run
from edge_lab.evidence.recording import Recording, WaitingSeen
from edge_lab.measuring.measures import Better, Measure
from edge_lab.oracles.models.evidence import Evidence as ModelEvidence
from edge_lab.oracles.models.evidence import Known
from edge_lab.oracles.verdict import Verdict
from suites.functions.evidence import Evidence as FunctionEvidence
from suites.functions.evidence import Step
from suites.metrics.evidence import BEFORE, HEAL
from suites.metrics.evidence import Evidence as MetricEvidence
from suites.plantday.day import Action
from suites.plantday.evidence import (
    DayEvidence,
    Done,
    FleetEvidence,
    Made,
    ServedEvidence,
    TwinEvidence,
    Wish,
    seconds_of,
    touching,
)
from suites.plantday.faultspans import blind_spans, marks_of, silent_spans
from tests.plantday.madeup import (
    AFTER,
    DAY,
    DIGESTS,
    EDGES,
    ENDED_NS,
    FAULTS,
    FIRST,
    LIMIT,
    MINUTES,
    PLAN,
    SECOND,
    SECONDS,
    SERVER,
    STACK,
    START,
    TOPOLOGY,
    VERSIONS,
    WAYS,
    at,
    at_ns,
    boots,
    steps,
)
from tests.plantday.memoryscenes import memory

# -- updates from Git ------------------------------------------------------------------------------


def made() -> tuple[Made, ...]:
    actions = [activity for activity in DAY.activities if "push" in activity.action.value]
    later = tuple(
        Made(f"r1-{number}", at(DAY.at(activity.at) + 2), activity.action is Action.PUSH_BAD)
        for number, activity in enumerate(actions, 2)
    )
    return (Made("r1-1", None), *later)


def arrived(revision: Made) -> float:
    """When nodes start a revision: 20 s after its push, or after the cloud is back."""
    if revision.pushed is None:
        return START - 100
    away = [
        seconds_of(span)
        for span in touching(FAULTS, frozenset({"server-cloud"}), ENDED_NS)
        if seconds_of(span)[0] <= revision.pushed <= seconds_of(span)[1]
    ]
    return max([revision.pushed, *(heal for _, heal in away)]) + 20


def fleet(node: str) -> FleetEvidence:
    """What runs at a loss of power is started again after the boot."""
    runs: list[Run] = []
    good = [revision for revision in made() if not revision.bad]
    for part in ("agent", "helper"):
        for number, revision in enumerate(good):
            began = arrived(revision)
            ended = arrived(good[number + 1]) - 2 if number + 1 < len(good) else None
            for off, up in boots(node):
                if began < off and (ended is None or up < ended):
                    runs.append(Run(part, revision.name, f"{part}{number} before", began, up))
                    began = up + 5
            runs.append(Run(part, revision.name, f"{part}{number}", began, ended))
    return FleetEvidence(
        node=node,
        runtime=STACK,
        parts=("agent", "helper"),
        made=made(),
        began=START,
        observed_at=at(SECONDS + AFTER),
        runs=tuple(sorted(runs, key=lambda run: run.began)),
        boots=boots(node),
    )


# -- models ----------------------------------------------------------------------------------------


def wishes() -> tuple[Wish, ...]:
    update, bad, again = (
        activity for activity in DAY.activities if "push" not in activity.action.value
    )
    return (
        Wish(BETTER, START - 50),
        Wish(FIRST, at(DAY.at(update.at))),
        Wish(WORSE, at(DAY.at(bad.at)), bad=True),
        Wish(SECOND, at(DAY.at(again.at) + 1)),
    )


def served(node: str) -> ServedEvidence:
    _, first, bad, second = wishes()
    changes = [(first.time + 15, FIRST), (second.time + 15, SECOND)]
    acts = [Act(time, "promoted", tag, serving=tag) for time, tag in changes]
    if node == EDGES[0]:
        acts.append(Act(bad.time + 18, "refused", WORSE, reason="Worse", serving=FIRST))

    def serving(time: float) -> str:
        return ([BETTER] + [tag for since, tag in changes if since <= time])[-1]

    spans = blind_spans(FAULTS, TOPOLOGY, node, ENDED_NS)
    blind = tuple(map(seconds_of, spans))
    seen = () if node == SERVER else steps()
    sent = tuple(
        FeedRequest(
            seq=step.seq,
            time=step.time + 0.1,
            inputs=step.inputs,
            ok=True,
            tag=serving(step.time),
            digest=DIGESTS[serving(step.time)],
            output=VERSIONS[serving(step.time)].output(step.inputs),
            ms=14.0,
        )
        for step in seen
        if not any(start <= step.time + 0.1 <= end for start, end in blind)
    )
    requests = Requests(sent)
    return ServedEvidence(
        node=node,
        runtime=STACK,
        wishes=wishes(),
        serving=SECOND,
        claimed=SECOND,
        phase="Serving",
        rollout="Complete",
        judges=node == EDGES[0],
        asks=node != SERVER,
        day=ModelEvidence(
            node,
            STACK,
            START,
            at(SECONDS + AFTER),
            requests,
            tuple(sorted(acts, key=lambda act: act.time)),
            seen,
            Known({DIGESTS[tag]: version for tag, version in VERSIONS.items()}),
            silent_spans(FAULTS, node, requests, ENDED_NS),
            blind,
        ),
    )


# -- functions, metrics, twins ---------------------------------------------------------------------


def functions(node: str) -> FunctionEvidence:
    column = INPUTS.index(LIMIT.point)
    shown = [
        Step(step.seq, round(step.time * NANOSECONDS), int(step.inputs[column])) for step in steps()
    ]
    blind = tuple((span.start, span.end) for span in blind_spans(FAULTS, TOPOLOGY, node, ENDED_NS))
    ways = cycle(WAYS)
    events: list[Event] = []
    for crossing in LIMIT.crossings((step.seq, step.value) for step in shown):
        step = shown[crossing.first]
        if any(start <= step.time <= end for start, end in blind):
            continue
        read = step.time + NANOSECONDS // 5
        id = f"{node}-{crossing.first}"
        event = Event(id, next(ways), "boiler", LIMIT.point, step.seq, step.value, read, read + 10)
        events.append(event)
    handled = tuple(
        Handled(
            event.id,
            event.way,
            event.seq,
            event.value,
            event.read + 20,
            event.read + 30,
            1,
            7,
            event.read,
        )
        for event in events
    )
    return FunctionEvidence(
        node=node,
        runtime=STACK,
        ways=WAYS,
        events=tuple(events),
        handled=handled,
        activations=(),
        began=at_ns(0),
        steps=tuple(shown),
        clock=None,
        asleep_s={},
        blind=blind,
        copies=tuple(event.id for event in events),
    )


def metrics(node: str) -> MetricEvidence:
    """A scrape each two seconds while the node runs; after a loss of power two are missing."""
    found: list[Served] = []
    for second in range(-20, SECONDS, 2):
        if not any(start <= at(second) <= end for start, end in boots(node)):
            found.append(Served(len(found) + 1, at_ns(second), {"boiler": max(0, second)}))
    off = next((start for start, _ in boots(node)), None)
    lost = [
        sample.number for sample in found if off is not None and sample.time < off * NANOSECONDS
    ][-2:]
    evidence = MetricEvidence(
        node=node,
        sender="vmagent",
        runtime=STACK,
        served=tuple(found),
        stored=tuple(
            Stored(scrape.number, scrape.time, scrape.devices)
            for scrape in found
            if scrape.number not in lost
        ),
        marks={BEFORE: 6, HEAL: len(found)},
        drained_s=5.0,
        series=9,
    )
    marks = marks_of(evidence, FAULTS, TOPOLOGY)
    return MetricEvidence(**{**vars(evidence), "marks": marks})


def twin() -> TwinEvidence:
    last = steps()[-1]
    return TwinEvidence(
        twin="boiler-edge-arm",
        node="edge-arm",
        runtime=STACK,
        reported=last.seq - 2,
        observed_at=last.time,
        steps={step.seq: step.time for step in steps()},
        collect_s=2.0,
    )


# -- all of it -------------------------------------------------------------------------------------


def done() -> tuple[Done, ...]:
    pushed, wanted = iter(made()[1:]), iter(wishes()[1:])
    found = []
    for activity in DAY.activities:
        if "push" in activity.action.value:
            revision = next(pushed)
            found.append(Done(revision.pushed or 0.0, activity.action.value, revision.name))
        else:
            wish = next(wanted)
            found.append(Done(wish.time, activity.action.value, wish.tag))
    return tuple(found)


@functools.cache
def day() -> DayEvidence:
    return DayEvidence(
        minutes=MINUTES,
        stack=STACK,
        began=START,
        ended=at(SECONDS),
        done=done(),
        faults=FAULTS,
        left_out=PLAN.left_out,
        fleet=tuple(map(fleet, EDGES)),
        functions=tuple(map(functions, EDGES)),
        metrics=tuple(map(metrics, EDGES)),
        models=tuple(map(served, (*EDGES, SERVER))),
        twins=(twin(),),
        memory=tuple(map(memory, (*EDGES, SERVER))),
    )


def samples() -> list[Verdict]:
    """Verdicts of the autonomy oracle, which has tests of its own."""
    measure = Measure(
        name="lost", value=0, unit="count", better=Better.LOWER, heading="samples lost"
    )
    return [Verdict(node, STACK, (), (measure,)) for node in EDGES]


def recording() -> Recording:
    """How many samples wait: they pile up while the cloud is away."""
    waiting = tuple(
        WaitingSeen(time=at_ns(second), node=node, waiting=count, sampled=second)
        for node in EDGES
        for second, count in ((1, 0), (121, 40), (200, 120), (290, 175), (305, 60), (312, 1))
    )
    return Recording(
        began=at_ns(0), ended=ENDED_NS, runtime=STACK, nodes=EDGES, waiting_seen=waiting
    )
