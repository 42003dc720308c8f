"""The scenario in which the clocks of nodes are wrong for a while, and its verdicts.

Times in journals and records are those of the node's clock, so durations of this scenario have no
meaning and are not judged: only which events were handled, how often, and before what."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from edge_lab.addons.functions.counting import compare
from edge_lab.addons.functions.records import NANOSECONDS, Event
from edge_lab.measuring.measures import Better
from edge_lab.oracles.verdict import Verdict
from suites.functions.evidence import Evidence, Jump, Orphan
from suites.functions.judging import judge_orphan
from suites.functions.scenarios import STOP_TRIES, Scene, orphaned, scene
from suites.functions.side import Side
from suites.functions.verdicts import listed, measure_on, too_few, verdict_on

TOLERANCE = 0.1
"""Part of a jump by which it may be seen to differ."""
A_JUMP = "a jump of the clock"


# -- the scenario ---------------------------------------------------------------------------------


def wrong_clocks(side: Side, seconds: float) -> Scene:
    """The clock of each node is set while a function runs on it, and corrected when events that
    crossed meanwhile are handled."""
    jumps: dict[str, Jump] = {}
    with scene(side, copies=True) as found:
        with ExitStack() as corrected:
            for node in side.nodes:
                corrected.enter_context(_set(found, node, seconds))
            wrong_since = side.now()
            found.until_crossed(1)
            found.all_handled()
            found.offline = {node: found.look(node) for node in side.nodes}
            for node in side.nodes:
                jumps[node] = Jump(seconds, found.clocks[node], found.clock_of(node), wrong_since)
        found.until_crossed(1)
    for node, evidence in found.evidence.items():
        # No offset of the clock holds for the whole scenario.
        found.evidence[node] = replace(evidence, clock=None, jump=jumps[node])
    return found


def _set(found: Scene, node: str, seconds: float) -> ExitStack:
    """Sets the clock of a node while a function of its activator runs; closing the result corrects
    it."""
    side = found.side
    # All ways are stopped by the same timer; the last one takes longest to start and to stop.
    way = [way.name for way in side.ways if way.by_activator][-1]
    for attempt in range(1, STOP_TRIES + 1):
        with ExitStack() as stack:
            clock = side.wrong_clock(node, seconds)
            orphan = orphaned(side, node, way, partial(stack.enter_context, clock))
            found.orphaned[node, way] = orphan
            if orphan.is_evidence or attempt == STOP_TRIES:
                return stack.pop_all()
    raise AssertionError("STOP_TRIES is less than 1")


# -- verdicts -------------------------------------------------------------------------------------


def unmoved(evidence: Evidence) -> tuple[str, ...]:
    """Why there is no evidence that the clock was wrong until it was corrected; else nothing."""
    jump = evidence.jump
    if jump is None or jump.moved_s is None:
        return ("no evidence: the clock of the node was not read",)
    if abs(jump.moved_s - jump.seconds) > abs(jump.seconds) * TOLERANCE + jump.error_s:
        return (
            f"no evidence: the clock moved by {jump.moved_s:+.1f} s, not by {jump.seconds:+g} s",
        )
    return ()


def after_jump(evidence: Evidence, verdict: Verdict) -> Verdict:
    """The verdict, which is no pass if the clock was not wrong."""
    return replace(verdict, problems=(*unmoved(evidence), *verdict.problems))


def read_meanwhile(evidence: Evidence) -> tuple[Event, ...]:
    """The events that crossed between the last setting of clocks and the correction, and whose time
    of reading shows that the clock was wrong: it differs from the device's step in the ground
    truth."""
    jump = evidence.jump
    if jump is None or jump.before is None:
        return ()
    shown = {step.seq: step.time for step in evidence.steps if step.time >= jump.wrong_since}
    least = abs(jump.seconds) / 2 * NANOSECONDS
    return tuple(
        event
        for event in evidence.owed_offline
        if event.seq in shown and abs(jump.before.to_host(event.read) - shown[event.seq]) > least
    )


def judge_meanwhile(evidence: Evidence, way: str, *, least: int = 1) -> Verdict:
    """Whether events of a way that crossed while the clock was wrong were handled before it was
    corrected."""
    crossed = [event for event in read_meanwhile(evidence) if event.way == way]
    count = compare(way, crossed, evidence.handled_offline)
    problems = [
        *too_few(count.owed, least, f"{way}, with a wrong clock"),
        *listed("events waited until the clock was right", count.lost),
    ]
    why = f"{count.owed} events crossed while the clock was wrong"
    measure = measure_on(
        evidence,
        "events handled with a wrong clock",
        way,
        count.handled,
        better=Better.HIGHER,
        why=why,
    )
    verdict = verdict_on(
        evidence, problems, (measure,), (f"{way}: {why}, {count.handled} handled",)
    )
    return after_jump(evidence, verdict)


def judge_stopped(evidence: Evidence, way: str, orphan: Orphan) -> Verdict:
    """Whether a function that ran when the clock was set is stopped, without another event."""
    return after_jump(evidence, judge_orphan(evidence, way, orphan, after=A_JUMP))
