"""Whether a control plane can hold a fleet of one size, at which size it fails to, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import Calls, FleetLoad, Objective, ServerLoad
from edge_lab.measuring.measures import Better, Measure, identifier, number_text
from edge_lab.oracles.verdict import Verdict

ENOUGH = 100
"""Minimum requests of a kind for a 99th percentile: with fewer, it is just the slowest one."""

RENEWED_PART = 0.9
"""Minimum share of the due renewals."""

LEAST_SECONDS = 10.0
"""Minimum seconds to hold a fleet, besides two renewals of each lease, to be evidence."""

BUSY_PART = 0.9
WAITING_PART = 0.3
LEAST_MEMORY_PART = 0.05
SLOW_DATASTORE_S = 0.1
DATASTORE_PART = 0.5
"""Of the time of the API server's own requests."""


class Cause(StrEnum):
    """The bottleneck of a control plane."""

    MEMORY = "memory"
    CPU = "CPU"
    DATASTORE = "datastore"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class FleetVerdict(Verdict):
    """The verdict on a fleet of one size."""

    size: int = 0


@dataclass(frozen=True)
class ScaleLimit:
    """The largest fleet that a control plane can hold."""

    sustained: int
    """The largest size that was sustained, as were all smaller ones; 0 if none was."""
    fails_at: int | None = None
    """The smallest size that did not; None if all did."""
    cause: Cause | None = None
    why: str = ""
    """The figures that the cause is based on."""

    def __str__(self) -> str:
        if self.fails_at is None:
            return f"sustains {self.sustained} hollow nodes, the largest size tried"
        return (
            f"sustains {self.sustained} hollow nodes and fails at {self.fails_at}, "
            f"by {self.cause}: {self.why}"
        )


def judge_load(load: FleetLoad) -> FleetVerdict:
    """Whether all nodes got and stayed Ready, their leases were renewed in time, and the API
    server kept Kubernetes' objective.

    Raises:
        LabError: the evidence is insufficient: too short, or without requests.
    """
    _require_evidence(load)
    problems = tuple(_problems(load))
    return FleetVerdict(
        node=load.server,
        runtime=load.runtime,
        problems=problems,
        measures=load_measures(load),
        evidence=(f"{load.size} hollow nodes, held for {load.seconds:.0f} s", *_slowest(load)),
        size=load.size,
    )


def _require_evidence(load: FleetLoad) -> None:
    needed = max(LEAST_SECONDS, 2 * load.renew_every_s)
    if load.seconds < needed:
        raise LabError(f"no evidence: held for {load.seconds:.1f} s, not for {needed:.0f} s")
    if not load.objectives or not load.datastore:
        raise LabError("no evidence: the API server counted no requests")
    if load.load.after.time <= load.load.before.time:
        raise LabError("no evidence: the server was not measured before and after")


def _problems(load: FleetLoad) -> Iterable[str]:
    if load.never_ready:
        yield f"{_named(load.never_ready)} never became Ready"
    if load.lost:
        yield f"{_named(load.lost)} were marked lost while the fleet was held"
    if load.renewals < RENEWED_PART * load.renewals_due:
        yield (
            f"{load.renewals} leases were renewed, of {load.renewals_due:.0f} that were due: "
            f"{100 * load.renewals / load.renewals_due:.0f} %"
        )
    yield from missed_objectives(load.calls, load.objectives)
    if load.refused:
        yield f"{load.refused} requests were refused by rate limiting (429)"
    if load.failed:
        yield f"{load.failed} requests failed in the API server (5xx)"
    yield from server_problems(load.load)


def missed_objectives(calls: Sequence[Calls], objectives: Sequence[Calls]) -> Iterable[str]:
    """By kind of object, and for all together."""
    for kind in objectives:
        limit = Objective(kind.verb).limit_s
        if kind.count >= ENOUGH and kind.p99_s > limit:
            yield f"p99 of {kind.verb} is {_p99(kind)}, and the objective is {limit:g} s"
    for kind in calls:
        limit = Objective.of(kind.verb, kind.scope).limit_s
        if kind.count >= ENOUGH and kind.p99_s > limit:
            yield f"p99 of {kind.name} is {_p99(kind)}, and the objective is {limit:g} s"


def server_problems(load: ServerLoad) -> Iterable[str]:
    """What happened to the programs of the control plane."""
    if load.after.kills > load.before.kills:
        yield f"{load.after.kills - load.before.kills} processes were OOM-killed"
    for program in load.restarted:
        yield f"{program} was restarted"


def _p99(calls: Calls) -> str:
    return f"{'at least ' if calls.capped else ''}{calls.p99_s:.2f} s of {calls.count}"


def _named(nodes: Sequence[str]) -> str:
    shown = ", ".join(nodes[:3])
    return f"{len(nodes)} nodes ({shown}{', …' if len(nodes) > 3 else ''})"


# -- the bottleneck ------------------------------------------------------------------------


def scale_limit(loads: Iterable[FleetLoad]) -> ScaleLimit:
    """From loads of several sizes: the size at which the control plane fails, and the bottleneck.

    Raises:
        LabError: there are no loads, or one is no evidence.
    """
    ordered = sorted(loads, key=lambda load: load.size)
    if not ordered:
        raise LabError("no evidence: no fleet was held")
    sustained = 0
    for load in ordered:
        if not judge_load(load).passed:
            cause, why = cause_of(load)
            return ScaleLimit(sustained, load.size, cause, why)
        sustained = load.size
    return ScaleLimit(sustained)


def cause_of(load: FleetLoad) -> tuple[Cause, str]:
    """The exhausted resource, with its figures. Memory first, as its lack slows everything; then
    the CPU, as its lack slows the datastore as well."""
    server = load.load
    kills = server.after.kills - server.before.kills
    part = server.after.available_mib / server.after.total_mib
    if kills or part < LEAST_MEMORY_PART:
        return Cause.MEMORY, (
            f"{server.after.available_mib:.0f} of {server.after.total_mib:.0f} MiB are available, "
            f"{kills} processes were killed"
        )
    if server.busy > BUSY_PART:
        return Cause.CPU, f"the processors were busy for {100 * server.busy:.0f} % of the time"
    store = slowest(load.datastore)
    own = max(load.objectives, key=lambda kind: kind.p99_s)
    slow = store is not None and store.p99_s > max(SLOW_DATASTORE_S, DATASTORE_PART * own.p99_s)
    if store is not None and (slow or server.waiting > WAITING_PART):
        return Cause.DATASTORE, (
            f"p99 of its {store.name} is {store.p99_s:.2f} s of {own.p99_s:.2f} s; "
            f"{100 * server.waiting:.0f} % of the time was a wait for the disk"
        )
    return Cause.UNKNOWN, (
        f"CPU {100 * server.busy:.0f} %, {server.after.available_mib:.0f} MiB available, "
        f"datastore p99 {store.p99_s if store else 0:.2f} s"
    )


def slowest(calls: Sequence[Calls]) -> Calls | None:
    """The slowest of the kinds with enough requests; of all kinds if none has enough."""
    enough = [kind for kind in calls if kind.count >= ENOUGH] or list(calls)
    return max(enough, key=lambda kind: kind.p99_s, default=None)


# -- figures -------------------------------------------------------------------------------

API, SERVER = "the API server's metrics", "/proc of the server"

Row = tuple[str, str, float | None, str, Better, str, str]
"""Heading, label, value, unit, better direction, evidence, reason for a missing value."""


def load_measures(load: FleetLoad) -> tuple[Measure, ...]:
    """With the size in the label, so that all sizes share a line."""
    size = f"{load.size} nodes"
    store = slowest(load.datastore)
    server = load.load
    rows: list[Row] = [
        (
            "all Ready",
            size,
            load.ready_after_s,
            "s",
            Better.LOWER,
            "a watch on the host",
            "they never were",
        ),
        (
            "leases renewed",
            size,
            load.renewals / load.seconds,
            "1/s",
            Better.NEITHER,
            API,
            "",
        ),
        ("server CPU", size, 100 * server.busy, "%", Better.LOWER, SERVER, ""),
        ("server memory left", size, server.after.available_mib, "MiB", Better.HIGHER, SERVER, ""),
        (
            "datastore p99",
            size,
            store.p99_s * 1000 if store else None,
            "ms",
            Better.LOWER,
            API,
            "no request to it was counted",
        ),
        ("kwok on the host", size, 100 * load.kwok_cores, "%", Better.NEITHER, "/proc of it", ""),
        ("datastore size", size, server.after.datastore_mib, "MiB", Better.LOWER, SERVER, ""),
    ]
    rows += objective_rows(load.objectives, size)
    return tuple(fleet_measure(load.server, *row) for row in rows)


def objective_rows(objectives: Sequence[Calls], label: str) -> list[Row]:
    return [
        (f"API p99 {kind.verb}", label, kind.p99_s * 1000, "ms", Better.LOWER, API, "")
        for kind in objectives
    ]


def fleet_measure(
    node: str,
    heading: str,
    label: str,
    value: float | None,
    unit: str,
    better: Better,
    evidence: str,
    reason: str,
) -> Measure:
    return Measure(
        name=identifier(f"fleet {heading} {label}"),
        value=None if value is None else round(float(value), 3),
        reason=reason if value is None else "",
        unit=unit,
        better=better,
        node=node,
        evidence=evidence,
        heading=f"fleet: {heading}",
        label=label,
    )


def _slowest(load: FleetLoad) -> Iterable[str]:
    for kind in load.calls[:5]:
        yield (
            f"{kind.name}: {kind.count}, p50 {number_text(kind.p50_s * 1000)} ms, p99 "
            f"{number_text(kind.p99_s * 1000)} ms"
        )
