"""The API server's view of a node: when its loss was detected, and when it was Ready again."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.case import Case
from edge_lab.oracles.spans import Held, Span, held, value_before


def check_faults(case: Case) -> None:
    """Notes each fault, and whether it was proved and healed."""
    for record in case.faults:
        title = f"fault {record.id} ({record.fault.title})"
        if record.seen is None:
            case.lacking(f"{title} was never proved")
        if record.healed is None and case.expect.must_return:
            case.problems.append(f"{title} was never healed")
        times = (("requested", record.began), ("seen", record.seen), ("healed", record.healed))
        told = (f"{what} {case.at(time)}" for what, time in times if time is not None)
        case.evidence.append(f"{title}: {', '.join(told)}")


def ready_views(case: Case) -> tuple[Held[str], ...]:
    return held(
        [(seen.time, seen.ready) for seen in case.recording.node_seen if seen.node == case.node],
        case.recording.ended,
    )


def api_gaps(case: Case) -> tuple[Span, ...]:
    """When the API server did not answer the lab."""
    views = held([(seen.time, seen.answered) for seen in case.recording.api_seen], case.span.end)
    if value_before(views, case.start) is None:
        case.lacking("whether the API server answered before the first fault")
    gaps = tuple(gap for view in views if not view.value and (gap := view.span.within(case.span)))
    for gap in gaps:
        fault = _server_fault(case, gap)
        if fault is not None:
            case.evidence.append(f"API server did not answer {case.of(gap)}, by fault {fault.id}")
        elif gap.seconds > case.expect.api_gap_s:
            case.lacking(f"the API server did not answer {case.of(gap)}, without a fault on it")
    return gaps


def _server_fault(case: Case, gap: Span) -> FaultRecord | None:
    """The fault on another node, which can only be the server, that was active then."""
    for record in case.faults:
        end = case.span.end if record.healed is None else record.healed
        nodes = record.fault.scope.nodes
        elsewhere = bool(nodes) and case.node not in nodes
        if elsewhere and gap.touches(Span(record.began, end)):
            return record
    return None


def detected(case: Case, ready: Sequence[Held[str]]) -> float | None:
    """Seconds from the fault being seen until the node was no longer shown as Ready."""
    before = value_before(ready, case.start)
    if before is None:
        case.lacking(f"the API server did not show {case.node} before the first fault")
        return None
    if before != "True":
        case.problems.append(f"{case.node} was Ready={before} before the first fault")
        return None
    gone = next((view for view in ready if view.span.start >= case.start), None)
    if gone is None:
        case.evidence.append(f"{case.node} was Ready all the time")
        if case.expect.must_detect:
            case.problems.append(f"the API server never detected the loss of {case.node}")
        return None
    time = gone.span.start
    cause = _cause(case.faults, time)
    by = f"by fault {cause.id}" if cause else "by no proven fault"
    case.evidence.append(f"Ready={gone.value} at {case.at(time)}, {by}")
    return Span(cause.seen, time).seconds if cause and cause.seen is not None else None


def _cause(faults: Sequence[FaultRecord], time: int) -> FaultRecord | None:
    """The proven fault that had been active for longest, else the last one before."""
    proven = [record for record in faults if record.seen is not None and record.began <= time]
    active = [record for record in proven if record.healed is None or record.healed >= time]
    return active[0] if active else proven[-1] if proven else None


def returned(case: Case, ready: Sequence[Held[str]], gaps: Sequence[Span]) -> float | None:
    """Seconds from the last heal until the node was shown as Ready, and stayed so."""
    if case.healed is None or not ready:
        return None
    last = ready[-1]
    since, until = max(last.span.start, case.healed), case.span.end
    for gap in gaps:
        if gap.start <= since:
            since = max(since, gap.end)
        elif gap.end >= until:
            until = gap.start
    stayed = Span(since, until)
    if last.value != "True" or not stayed.seconds:
        shown = f"Ready={last.value}" if last.value != "True" else "unknown"
        what = f"{case.node} never became Ready again: {shown} at the end"
        case.evidence.append(what)
        if case.expect.must_return:
            case.problems.append(what)
        return None
    if case.expect.must_return and stayed.seconds < case.expect.stay_s:
        case.lacking(
            f"{case.node} was seen Ready for only {stayed.seconds:.1f} s at the end; "
            f"{case.expect.stay_s:g} s are required"
        )
    case.evidence.append(f"Ready=True at {case.at(since)}, to the end")
    seconds = Span(case.healed, since).seconds
    return case.within(f"the return of {case.node}", seconds, case.expect.ready_s)
