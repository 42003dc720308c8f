"""The workload: whether its containers kept running, and are the same as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_lab.evidence.recording import PodSeen
from edge_lab.oracles.case import Case
from edge_lab.oracles.sightings import InSight, PodName, sightings, stopped
from edge_lab.oracles.spans import Held, Span, united, value_before


@dataclass(frozen=True)
class Pod:
    """The pods of one name: their observations by the node and by the API server."""

    name: PodName
    expected: int
    """The number of containers that ran before the first fault."""
    runs: Sequence[Held[InSight]]
    views: Sequence[PodSeen]


def workload(case: Case) -> tuple[Pod, ...]:
    """The pods that ran before the first fault and must keep running."""
    recording = case.recording
    if not any(seen.node == case.node and seen.time < case.start for seen in recording.answered):
        case.lacking(f"whether {case.node} answered before the first fault")
    seen = sightings(recording, case.node)
    if not seen:
        case.lacking(f"no containers were seen on {case.node}")
        return ()
    named = [PodName(*pod.partition("/")[::2]) for pod in case.expect.pods]
    found: list[Pod] = []
    for name in named or seen:
        before = _ran_before(case, seen.get(name, ()))
        if before:
            most = max(len(view.containers) for view in before)
            found.append(Pod(name, most, seen[name], _views(case, name)))
        elif named:
            case.lacking(f"{name} did not run on {case.node} before the first fault")
    if not found and not named:
        case.lacking(f"nothing ran on {case.node} before the first fault")
    return tuple(found)


def _ran_before(case: Case, runs: Sequence[Held[InSight]]) -> InSight:
    """What ran at the last observation of the node before the first fault.

    A silence is dated back to the node's last answer, so that one which a fault has caused may
    begin a moment before it.
    """
    before = value_before(runs, case.start)
    if before is not None:
        return before
    seen = [run for run in runs if run.value is not None and run.span.end <= case.start]
    if seen and Span(seen[-1].span.end, case.start).seconds <= case.expect.silent_s:
        return seen[-1].value
    return None


def _views(case: Case, name: PodName) -> list[PodSeen]:
    views = (seen for seen in case.recording.pod_seen if PodName(seen.namespace, seen.name) == name)
    return sorted(views, key=lambda seen: seen.time)


# -- downtime --------------------------------------------------------------------------------


def downtime(case: Case, pods: Sequence[Pod]) -> tuple[float, float]:
    """Seconds in which not every pod ran all of its containers, and the longest period."""
    down: list[Span] = []
    for pod in pods:
        silent = _only_silent(case, pod)
        stretches = united(
            part
            for stretch in pod.runs
            if not is_up(stretch.value, pod.expected)
            and stretch not in silent
            and (part := stretch.span.within(case.span))
        )
        case.evidence += [
            f"{case.node} was silent {case.of(run.span)}, {pod.name} ran on" for run in silent
        ]
        case.evidence += [f"{pod.name} did not run {case.of(stretch)}" for stretch in stretches]
        if not stretches:
            case.evidence.append(f"{pod.name} ran all the time")
        if case.expect.must_return and not is_up(pod.runs[-1].value, pod.expected):
            case.problems.append(f"{pod.name} did not run at the end")
        down += stretches
    lengths = [span.seconds for span in united(down)]
    total, most = sum(lengths), case.expect.downtime_s
    if most is not None and total > most:
        case.problems.append(f"{total:.1f} s of downtime; at most {most:g} s are allowed")
    return total, max(lengths, default=0.0)


def up_at_heal(case: Case, pods: Sequence[Pod]) -> None:
    """Whether all ran before the last heal, if that is expected."""
    if not case.expect.up_at_heal:
        return
    if case.heal_began is None:
        case.lacking("when the last heal began")
        return
    for pod in pods:
        if not is_up(value_before(pod.runs, case.heal_began), pod.expected):
            case.problems.append(
                f"{pod.name} did not run before the last heal, at {case.at(case.heal_began)}"
            )


def _only_silent(case: Case, pod: Pod) -> list[Held[InSight]]:
    """Short periods without an answer after which the same containers ran as before."""
    stops = stopped(case.recording, case.node)
    return [
        here
        for before, here, after in zip(pod.runs, pod.runs[1:], pod.runs[2:], strict=False)
        if here.value is None
        and before.value == after.value
        and here.span.seconds <= case.expect.silent_s
        and here.span.within(case.span)
        and not any(here.span.touches(stop) for stop in stops)
    ]


def is_up(pods: InSight, containers: int) -> bool:
    """Whether one of them runs with that number of containers."""
    return any(len(pod.containers) >= containers for pod in pods or ())


# -- restarts --------------------------------------------------------------------------------


def restarts(case: Case, pods: Sequence[Pod]) -> tuple[int | None, int]:
    """By the API server's counts (None if it showed no pod), and by the node's own view."""
    by_api: int | None = None
    by_node = 0
    for pod in pods:
        counted, replaced = _counted(case, pod), _replaced(case, pod)
        if counted is None:
            case.lacking(f"the API server did not show {pod.name} before the first fault")
        else:
            by_api = (by_api or 0) + counted
        by_node += len(replaced)
        case.evidence.append(
            f"{pod.name}: restart count {_or_unknown(counted)}, {len(replaced)} containers replaced"
            + (f" by {', '.join(container[:12] for container in replaced)}" if replaced else "")
        )
        most = case.expect.may_restart
        if most is not None and max(counted or 0, len(replaced)) > most * pod.expected:
            case.problems.append(
                f"{pod.name} was restarted: restart count {_or_unknown(counted)}, {len(replaced)} "
                f"containers replaced; at most {most * pod.expected} are allowed"
            )
    return by_api, by_node


def _or_unknown(counted: int | None) -> str:
    return "unknown" if counted is None else f"up by {counted}"


def _counted(case: Case, pod: Pod) -> int | None:
    before = [seen for seen in pod.views if seen.time < case.start and not seen.gone]
    if not before:
        return None
    first = before[-1]
    most: dict[str, int] = {first.uid: first.restarts}
    for seen in pod.views:
        if seen.time >= case.start:
            most[seen.uid] = max(most.get(seen.uid, 0), seen.restarts)
    return sum(most.values()) - first.restarts


def _replaced(case: Case, pod: Pod) -> list[str]:
    """Containers that replaced earlier ones; a pod's first containers replace nothing."""
    ids: dict[str, dict[str, None]] = {}
    old: dict[str, int] = {}
    for stretch in pod.runs:
        for run in stretch.value or ():
            ids.setdefault(run.uid, {}).update(dict.fromkeys(run.containers))
            if stretch.span.start < case.start:
                old[run.uid] = len(ids[run.uid])
    return [
        container
        for uid, containers in ids.items()
        for container in list(containers)[old.get(uid, pod.expected) :]
    ]


# -- other pods of the same name -------------------------------------------------------------


def duplicates(case: Case, pods: Sequence[Pod]) -> int:
    """Names of which two pods ran at once."""
    count = 0
    for pod in pods:
        twice = [
            (part, [run.uid for run in stretch.value])
            for stretch in pod.runs
            if stretch.value and len(stretch.value) > 1 and (part := stretch.span.within(case.span))
        ]
        count += bool(twice)
        case.problems += [
            f"two pods {pod.name} ran at once {case.of(part)}: {', '.join(uids)}"
            for part, uids in twice
        ]
    return count


def recreated(case: Case, pods: Sequence[Pod]) -> int:
    """Pods of which another uid was seen, or that were deleted."""
    count = 0
    notes = case.evidence if case.expect.may_recreate else case.problems
    for pod in pods:
        told = [*_other_uids(case, pod), *_deletions(case, pod)]
        notes += told
        count += bool(told)
        gone = {seen.uid: seen.gone for seen in pod.views}
        if gone and all(gone.values()) and case.expect.must_return:
            case.problems.append(f"{pod.name} is gone, and was not replaced")
    return count


def _other_uids(case: Case, pod: Pod) -> list[str]:
    """Each view separately: the uid of a static pod differs from that of its mirror pod."""
    runs = [(stretch.span.start, run.uid) for stretch in pod.runs for run in stretch.value or ()]
    views = [(seen.time, seen.uid) for seen in pod.views if not seen.gone]
    told: list[str] = []
    for times, whose in ((views, "the API server's"), (runs, "the node's own")):
        known = {uid for time, uid in times if time < case.start}
        if known:
            first: Mapping[str, int] = {uid: time for time, uid in reversed(times)}
            told += [
                f"{pod.name} was recreated at {case.at(time)} by {whose} view: {uid}"
                for uid, time in sorted(first.items(), key=lambda entry: entry[::-1])
                if uid not in known
            ]
    return told


def _deletions(case: Case, pod: Pod) -> list[str]:
    told: dict[str, None] = {}
    for seen in pod.views:
        if seen.time >= case.start and (seen.gone or seen.deleting):
            what = "removed" if seen.gone else "marked for deletion"
            told.setdefault(f"{what}: {seen.uid}", None)
    return [f"{pod.name} was {deletion}" for deletion in told]
