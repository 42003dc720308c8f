"""The verdict on a herd: nodes that were silent and reconnect all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import Eviction, HerdEvidence
from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.measuring.percentile import percentile
from edge_lab.oracles.fleet.load import (
    API,
    SERVER,
    FleetVerdict,
    Row,
    fleet_measure,
    missed_objectives,
    objective_rows,
    server_problems,
    slowest,
)

CLOCK_NS = 1_000_000_000
"""By how much the server's clock may be ahead of the host's."""
LOST_PART = 0.99
"""The share of nodes that must have been marked lost; otherwise the silence tested nothing."""

WATCH = "a watch on the host"


def judge_herd(herd: HerdEvidence) -> FleetVerdict:
    """Whether all nodes are Ready again and have no taint that evicts (NoExecute), the control
    plane survived, and no eviction was decided for a node that was both.

    An eviction from a node that is Ready and still has the taint of its silence is counted, and is
    no problem.

    A missed objective is reported but is not a problem: while a herd reconnects, requests may wait.

    Raises:
        LabError: the evidence is insufficient: the nodes were not marked lost, no request was
            counted, or the watch of evictions was interrupted.
    """
    if len(herd.lost) < LOST_PART * len(herd.nodes):
        raise LabError(
            f"no evidence: {len(herd.lost)} of {len(herd.nodes)} nodes were marked lost while "
            "all were silent"
        )
    if not herd.objectives or not herd.datastore:
        raise LabError("no evidence: the API server counted no requests")
    if herd.watch_breaks:
        raise LabError(
            f"no evidence: watches of evictions and nodes broke {herd.watch_breaks} times after "
            "the silence began"
        )
    missed = tuple(missed_objectives(herd.calls, herd.objectives))
    return FleetVerdict(
        node=herd.server,
        runtime=herd.runtime,
        problems=tuple(_problems(herd)),
        measures=tuple(_measures(herd)),
        evidence=(
            f"{len(herd.nodes)} hollow nodes, silent for "
            f"{(herd.woken - herd.silenced) / 1e9:.0f} s",
            *(
                f"{count} evictions: {reason or 'no reason given'}"
                for reason, count in Counter(
                    eviction.reason for eviction in herd.evictions
                ).most_common()
            ),
            *(f"while they came back, {miss}" for miss in missed),
        ),
        size=len(herd.nodes),
    )


def _problems(herd: HerdEvidence) -> Iterable[str]:
    if herd.not_ready:
        yield f"{len(herd.not_ready)} nodes are not Ready again, such as {herd.not_ready[0]}"
    silent = [node for node in herd.nodes if node not in herd.renewed]
    if silent:
        yield f"{len(silent)} nodes have not renewed their lease, such as {silent[0]}"
    tainted = [node for node in herd.ready if node not in herd.untainted]
    if tainted:
        yield (
            f"{len(tainted)} nodes are Ready and still have a taint that evicts, such as "
            f"{tainted[0]}"
        )
    wrong = [eviction for eviction in _from_ready(herd) if not _was_due(herd, eviction)]
    if wrong:
        yield (
            f"the evictions of {len(wrong)} pods were decided when their nodes were Ready, and not "
            f"by the taint of the silence, such as {wrong[0].pod}, "
            f"{herd.since_wake(wrong[0].no_later_than):.1f} s after the wake"
        )
    yield from server_problems(herd.load)


def _from_ready(herd: HerdEvidence) -> list[Eviction]:
    """Those that were decided when the node was Ready again, or still; with or without a taint."""
    still = {node: herd.silenced for node in herd.nodes if node not in herd.lost}
    since = {**still, **herd.ready}
    return [
        eviction
        for eviction in herd.evictions
        if eviction.node in since and eviction.no_later_than > since[eviction.node]
    ]


def _was_due(herd: HerdEvidence, eviction: Eviction) -> bool:
    """Whether the node still had the taint of its silence when the eviction was decided."""
    ready, removed = herd.ready.get(eviction.node), herd.untainted.get(eviction.node)
    if ready is None or removed is None or herd.tainted.get(eviction.node, ready) > ready:
        return False
    return eviction.no_later_than <= removed + CLOCK_NS


def _measures(herd: HerdEvidence) -> Iterable[Measure]:
    size = f"herd of {len(herd.nodes)}"
    renewed = sorted(herd.since_wake(when) for when in herd.renewed.values())
    ready = sorted(herd.since_wake(when) for when in herd.ready.values())
    after = [eviction for eviction in herd.evictions if eviction.time > herd.woken]
    lags = [
        (herd.untainted[node] - since) / 1e9
        for node, since in herd.ready.items()
        if herd.untainted.get(node, 0) > herd.woken
    ]
    delays = [
        max(eviction.time - eviction.decided, 0) / 1e9
        for eviction in herd.evictions
        if eviction.decided is not None
    ]
    store = slowest(herd.datastore)
    whole = not herd.not_ready
    rows: list[Row] = [
        (
            "all Ready again",
            size,
            ready[-1] if ready and whole else None,
            "s",
            Better.LOWER,
            WATCH,
            f"{len(herd.not_ready)} are not",
        ),
        (
            "leases renewed after the wake",
            f"{size}, p99",
            percentile(renewed, 99) if renewed else None,
            "s",
            Better.LOWER,
            WATCH,
            "none was",
        ),
        (
            "datastore p99",
            size,
            store.p99_s * 1000 if store else None,
            "ms",
            Better.LOWER,
            API,
            "no request to it was counted",
        ),
        (
            "datastore growth",
            size,
            herd.load.after.datastore_mib - herd.load.before.datastore_mib,
            "MiB",
            Better.LOWER,
            SERVER,
            "",
        ),
        ("server CPU", size, 100 * herd.load.busy, "%", Better.LOWER, SERVER, ""),
        (
            "evicted while silent",
            size,
            len(herd.evictions) - len(after),
            COUNT,
            Better.NEITHER,
            WATCH,
            "",
        ),
        ("evicted after the wake", size, len(after), COUNT, Better.LOWER, WATCH, ""),
        ("evicted from Ready nodes", size, len(_from_ready(herd)), COUNT, Better.LOWER, WATCH, ""),
        (
            "from Ready to the removal of the taint",
            f"{size}, max",
            max(lags, default=None),
            "s",
            Better.LOWER,
            WATCH,
            "no node that was tainted is Ready without a taint",
        ),
        (
            "from an eviction's decision to its mark",
            f"{size}, max",
            max(delays, default=None),
            "s",
            Better.LOWER,
            WATCH,
            "no pod says when it was decided",
        ),
        ("refused (429)", size, herd.refused, COUNT, Better.LOWER, API, ""),
        ("failed (5xx)", size, herd.failed, COUNT, Better.LOWER, API, ""),
    ]
    rows += objective_rows(herd.objectives, size)
    for row in rows:
        yield fleet_measure(herd.server, *row)
