"""Verdicts on functions, as pure functions of evidence."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.addons.functions.counting import compare, unseen, untrue
from edge_lab.addons.functions.limits import Limit
from edge_lab.addons.functions.records import NANOSECONDS, Event, Handled
from edge_lab.addons.functions.ways import WAYS
from edge_lab.measuring.measures import Better, Measure
from edge_lab.measuring.percentile import percentile
from edge_lab.oracles.verdict import Verdict
from suites.functions.evidence import Evidence, Orphan, Storm
from suites.functions.verdicts import listed, measure_on, too_few, verdict_on

SLACK_STEPS = 10
"""A crossing within the newest steps may not have been read yet."""


# -- each event once ------------------------------------------------------------------------------


def judge_events(evidence: Evidence, way: str, *, least: int = 1) -> Verdict:
    """Whether each event of one way was handled once, unchanged, by a function of that way."""
    count = compare(way, evidence.events, evidence.handled)
    problems = [
        *too_few(count.owed, least, way),
        *listed("events were not handled", count.lost),
        *listed("events were handled more than once", count.duplicated),
        *listed("events were handled by a function of another way", count.misrouted),
        *listed("handled events never crossed", count.unknown),
        *listed("events were handled with other values", count.wrong),
    ]
    again = sum(handled.attempt > 1 for handled in evidence.handled if handled.way == way)
    why = f"{count.owed} owed according to the source's journal"
    measures = (
        measure_on(evidence, "events lost", way, len(count.lost), why=why),
        measure_on(
            evidence, "events handled twice", way, len(count.duplicated), minor=True, why=why
        ),
        measure_on(
            evidence,
            "events delivered again",
            way,
            again,
            minor=True,
            better=Better.NEITHER,
            why=why,
        ),
    )
    head = (
        f"{way}: {count.owed} owed, {count.handled} handled, {again} of them after a redelivery; "
        f"{evidence.repeated} on the node were delivered again and recognized"
    )
    return verdict_on(evidence, problems, measures, (head,))


def judge_source(evidence: Evidence, limit: Limit, *, least: int = 1) -> Verdict:
    """Whether each crossing in the device's ground truth has exactly one event, and vice versa."""
    events = [event for event in evidence.events if event.device != "storm"]
    times = {step.seq: step.time for step in evidence.steps}
    shown = {step.seq: step.value for step in evidence.steps}
    newest = max((seq for seq, time in times.items() if time <= evidence.until), default=0)
    due = [
        crossing
        for crossing in limit.crossings((step.seq, step.value) for step in evidence.steps)
        if times[crossing.first] >= evidence.began and crossing.first <= newest - SLACK_STEPS
    ]
    excused = [
        crossing
        for crossing in due
        if any(
            times[crossing.rearmed] <= end and begin <= times[crossing.last]
            for begin, end in evidence.blind
        )
    ]
    judged = [crossing for crossing in due if crossing not in excused]
    missed = unseen(judged, events)
    problems = [
        *too_few(len(judged), least, "the device's ground truth"),
        *listed("crossings do not have exactly one event", [crossing.first for crossing in missed]),
        *listed("events do not match the ground truth", untrue(events, shown)),
    ]
    head = (
        f"{len(due)} crossings in the ground truth, {len(excused)} of them while the node could "
        f"not read the device; {len(events)} events"
    )
    measure = measure_on(evidence, "crossings unseen", "", len(missed), why=head)
    return verdict_on(evidence, problems, (measure,), (head,))


def judge_offline(evidence: Evidence, way: str, *, least: int = 1) -> Verdict:
    """Whether the events of a way were handled before the heal."""
    count = compare(way, evidence.owed_offline, evidence.handled_offline)
    problems = [
        *too_few(count.owed, least, f"{way}, offline"),
        *listed("events waited for the cloud", count.lost),
    ]
    why = f"{count.owed} events crossed while it was offline"
    measure = measure_on(
        evidence, "events handled while offline", way, count.handled, better=Better.HIGHER, why=why
    )
    return verdict_on(evidence, problems, (measure,), (f"{way}: {why}, {count.handled} handled",))


def judge_unreached(evidence: Evidence, way: str, control: str, *, least: int = 1) -> Verdict:
    """Whether a way whose scaler is out of reach handled no event meanwhile, as it declares.

    Events of `control`, a way that is woken on the node, must have been handled at the same time:
    otherwise something else than the scaler prevented it.
    """
    count = compare(way, evidence.owed_offline, evidence.handled_offline)
    other = compare(control, evidence.owed_offline, evidence.handled_offline)
    problems = [
        *too_few(count.owed, least, f"{way}, without its scaler"),
        *too_few(other.handled, other.owed or 1, f"{control}, the control"),
    ]
    if count.handled:
        problems.append(f"{count.handled} events were handled without the scaler")
    why = f"{count.owed} events crossed while the scaler was out of reach"
    measure = measure_on(
        evidence,
        "events handled without the scaler",
        way,
        count.handled,
        better=Better.NEITHER,
        why=why,
    )
    head = f"{way}: {why}, {count.handled} handled; {control}: {other.handled} of {other.owed}"
    return verdict_on(evidence, problems, (measure,), (head,))


def judge_refused(evidence: Evidence) -> Verdict:
    """Whether a full disk refused events, and all of them were stored later."""
    stored = {event.id for event in evidence.events if event.stored is not None}
    left = [id for id in evidence.refused if id not in stored]
    problems = [
        *too_few(len(evidence.refused), 1, "the events that a full disk refused"),
        *listed("events were never stored", left),
    ]
    measure = measure_on(evidence, "events never stored", "", len(left))
    return verdict_on(evidence, problems, (measure,), (f"{len(evidence.refused)} refused",))


def judge_copies(evidence: Evidence, *, least: int = 1) -> Verdict:
    """Whether the cloud has each event once."""
    copies = Counter(evidence.copies or ())
    owed = [event.id for event in evidence.events if event.stored is not None]
    missing = [id for id in owed if not copies[id]]
    twice = [id for id in owed if copies[id] > 1]
    problems = [
        *too_few(len(owed), least, "copies"),
        *listed("events are not in the cloud", missing),
        *listed("events are in the cloud more than once", twice),
    ]
    measures = (
        measure_on(evidence, "events missing in the cloud", "", len(missing)),
        measure_on(evidence, "events twice in the cloud", "", len(twice), minor=True),
    )
    return verdict_on(evidence, problems, measures, (f"{len(owed)} events stored on the node",))


# -- durations ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waking:
    """Stages of one event from the device's step until it was handled, in seconds."""

    read: float | None
    """From the device's step until the node had read it; None if a clock is not known."""
    stored: float
    """Until the broker had stored it on disk."""
    woken: float
    """Until the function's process had started; 0 if it was running."""
    delivered: float
    handled: float
    whole: float | None

    @property
    def on_node(self) -> float:
        """The sum of the stages after `read`."""
        return self.stored + self.woken + self.delivered + self.handled


STAGES = ("read", "stored", "woken", "delivered", "handled")


def waking(evidence: Evidence, event: Event, handled: Handled) -> Waking:
    """The stages of one event. Overlaps count for the earlier stage, so that the stages add up."""
    moments = [event.read]
    stored = event.stored if event.stored is not None else handled.delivered
    for moment in (min(stored, handled.delivered), handled.began, handled.delivered, handled.time):
        moments.append(max(moments[-1], moment))
    stages = [(after - before) / NANOSECONDS for before, after in itertools.pairwise(moments)]
    shown = next((step.time for step in evidence.steps if step.seq == event.seq), None)
    read = None
    if shown is not None and evidence.clock is not None:
        read = max(0.0, (evidence.clock.to_host(event.read) - shown) / NANOSECONDS)
    whole = None if read is None else read + sum(stages)
    stored_s, woken_s, delivered_s, handled_s = stages
    return Waking(read, stored_s, woken_s, delivered_s, handled_s, whole)


def wakings(evidence: Evidence, way: str) -> tuple[list[Waking], list[Waking]]:
    """Wakings of one way: those that started a process, and those that found one running."""
    events = {event.id: event for event in evidence.events if event.way == way}
    cold: list[Waking] = []
    warm: list[Waking] = []
    for record in evidence.handled:
        if record.way == way and record.id in events and record.attempt == 1:
            event = events[record.id]
            (cold if record.began > event.read else warm).append(waking(evidence, event, record))
    return cold, warm


def judge_waking(evidence: Evidence, way: str, *, least: int) -> Verdict:
    """How long a way takes: from zero if it scales to zero, otherwise with its process running.

    The durations have no limit: the verdict is red only if there are too few.
    """
    from_zero = WAYS[way].from_zero
    cold, warm = wakings(evidence, way)
    found, others = (cold, warm) if from_zero else (warm, cold)
    problems = []
    if len(found) < least:
        wanted = "from zero" if from_zero else "with a running process"
        problems.append(f"no evidence: {way} handled {len(found)} events {wanted}, {least} wanted")
    error = "" if evidence.clock is None else f", clock error {evidence.clock.error:.3f} s"
    why = f"{len(found)} events{error}"
    measures = [
        *_spread(evidence, "event to handled", way, [stages.whole for stages in found], why),
        *_spread(evidence, "read to handled", way, [stages.on_node for stages in found], why),
    ]
    for stage in STAGES:
        values = [getattr(stages, stage) for stages in found]
        if stage != "woken" or from_zero:
            measures.append(
                _percentile(evidence, f"stages of a waking (p50), {way}", stage, values, 50, why)
            )
    lines = [f"{way}: {stages}" for stages in found]
    lines.append(f"{way}: {len(others)} others are not included")
    return verdict_on(evidence, problems, measures, lines)


def _spread(
    evidence: Evidence, heading: str, way: str, values: Sequence[float | None], why: str
) -> Iterable[Measure]:
    for label, percent in (("p50", 50), ("p99", 99)):
        yield _percentile(evidence, heading, f"{way} {label}", values, percent, why)


def _percentile(
    evidence: Evidence,
    heading: str,
    label: str,
    values: Sequence[float | None],
    percent: int,
    why: str,
) -> Measure:
    known = sorted(value for value in values if value is not None)
    value = percentile(known, percent) if known else None
    reason = "no event" if not values else "the clock of the node is not known"
    return measure_on(evidence, heading, label, value, "s", reason=reason, why=why)


# -- back to zero ---------------------------------------------------------------------------------


def judge_orphan(
    evidence: Evidence, way: str, orphan: Orphan, *, after: str = "a kill of the activator"
) -> Verdict:
    """Whether a function that ran when something happened to its activator is stopped, without
    another event."""
    problems = []
    if not orphan.awake:
        problems.append(f"no evidence: no function of {way} ran after {after}")
    if orphan.more_events:
        problems.append(f"no evidence: {orphan.more_events} events of {way} crossed meanwhile")
    if orphan.stopped_s is None:
        problems.append(f"a function of {way} keeps running")
    measure = measure_on(
        evidence,
        f"stopped after {after}",
        way,
        orphan.stopped_s,
        unit="s",
        reason="it kept running",
    )
    return verdict_on(evidence, problems, (measure,), ())


def judge_asleep(evidence: Evidence, way: str, *, limit_s: float) -> Verdict:
    """Whether a way that scales to zero was at zero after its events; whether a warm one runs."""
    after = evidence.asleep_s.get(way)
    ran = {record.began for record in evidence.handled if record.way == way}
    problems = []
    if not ran:
        problems.append(f"no evidence: no function of {way} has run")
    if not WAYS[way].from_zero:
        if after is not None:
            problems.append(f"{way} is not running, but should always run")
        return verdict_on(evidence, problems, (), (f"{way}: {len(ran)} processes",))
    if after is None:
        problems.append(f"a process of {way} keeps running")
    elif after > limit_s:
        problems.append(f"{way} was at zero after {after:.0f} s; the limit is {limit_s:g} s")
    woken = len(ran)
    if WAYS[way].by_activator:
        woken = sum(entry.awake for entry in evidence.activations if entry.way == way)
        if ran and not woken:
            problems.append(f"no evidence: the activator's journal does not say that it woke {way}")
    measure = measure_on(
        evidence,
        "at zero after the last event",
        way,
        after,
        "s",
        reason="a process of it keeps running",
        why="the node's process list",
    )
    return verdict_on(evidence, problems, (measure,), (f"{way}: woken {woken} times",))


# -- a storm --------------------------------------------------------------------------------------


def judge_storm(evidence: Evidence, storm: Storm) -> Verdict:
    """Whether a node survived a storm: all events were handled, and no process was killed."""
    problems = []
    if storm.drained_s is None:
        problems.append("not all events were handled")
    if storm.kills:
        problems.append(f"the kernel has killed {storm.kills} processes for lack of memory")
    if storm.events < 1 or storm.least_mib <= 0:
        problems.append("no evidence: no event, or the memory was not measured")
    taken = storm.before_mib - storm.least_mib
    rate = storm.events / storm.drained_s if storm.drained_s else None
    measures = (
        measure_on(
            evidence,
            "storm, events per second",
            "",
            rate,
            "1/s",
            reason="they were not all handled",
            better=Better.HIGHER,
            why=f"{storm.events} events at once",
        ),
        measure_on(evidence, "storm, memory used", "", taken, "MiB"),
        measure_on(
            evidence, "storm, memory left", "", storm.least_mib, "MiB", better=Better.HIGHER
        ),
    )
    return verdict_on(evidence, problems, measures, (str(storm),))
