"""Loads and herds as tests plant defects in them: these two pass."""

from __future__ import annotations

from edge_lab.evidence.fleet import (
    Calls,
    FleetLoad,
    HerdEvidence,
    ProgramMoment,
    ServerLoad,
    ServerMoment,
)

SECOND = 1_000_000_000


def calls(verb: str, resource: str, *, count: int = 1000, p99_s: float = 0.02) -> Calls:
    return Calls(
        verb=verb,
        resource=resource,
        scope="resource",
        count=count,
        p50_s=p99_s / 4,
        p99_s=p99_s,
    )


def moment(seconds: float = 0.0, *, busy: float = 0.3, available: float = 900.0) -> ServerMoment:
    """After so many seconds, the processors (two of them) busy for that part of the time."""
    return ServerMoment(
        time=round(seconds * SECOND),
        busy_s=2 * seconds * busy,
        idle_s=2 * seconds * (1 - busy),
        waiting_s=0.0,
        total_mib=1970.0,
        available_mib=available,
        kills=0,
        programs={
            "kube-apiserver": ProgramMoment(pid=11, cpu_s=seconds * busy, rss_mib=400.0),
            "kine": ProgramMoment(pid=10, cpu_s=seconds * busy / 4, rss_mib=60.0),
        },
        datastore_mib=10 + seconds / 10,
    )


def load(size: int = 50, seconds: float = 60.0, *, busy: float = 0.3) -> FleetLoad:
    """One that holds."""
    return FleetLoad(
        runtime="kubernetes+openyurt",
        server="server",
        accelerator="tcg",
        size=size,
        twins=size,
        began=0,
        ended=round(seconds * SECOND),
        ready_after_s=4.0,
        renew_every_s=5.0,
        renewals=round((size + 2) * seconds / 5),
        real_nodes=2,
        calls=(calls("PUT", "leases"), calls("GET", "nodes", count=20)),
        objectives=(
            calls("change", "all objects"),
            calls("read", "all objects"),
            calls("list", "all objects"),
        ),
        refused=0,
        failed=0,
        datastore=(calls("update", "leases"),),
        load=ServerLoad(before=moment(), after=moment(seconds, busy=busy)),
    )


NODES = tuple(f"hollow-{index:05}" for index in range(1, 11))


def herd() -> HerdEvidence:
    """One that is back after two seconds."""
    woken = 300 * SECOND
    return HerdEvidence(
        runtime="kubernetes+openyurt",
        server="server",
        accelerator="tcg",
        nodes=NODES,
        pods=len(NODES),
        silenced=0,
        woken=woken,
        ended=woken + 30 * SECOND,
        lost=NODES,
        renewed=dict.fromkeys(NODES, woken + SECOND),
        ready=dict.fromkeys(NODES, woken + 2 * SECOND),
        tainted=dict.fromkeys(NODES, 40 * SECOND),
        untainted=dict.fromkeys(NODES, woken + 4 * SECOND),
        not_ready=(),
        evictions=(),
        calls=(calls("PUT", "leases"),),
        objectives=(calls("change", "all objects"),),
        refused=0,
        failed=0,
        datastore=(calls("update", "leases"),),
        load=ServerLoad(before=moment(), after=moment(30)),
    )
