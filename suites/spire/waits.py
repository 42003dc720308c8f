"""What tests of SPIRE wait for."""

from __future__ import annotations

from datetime import timedelta

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from suites.spire.clients import Client, Shown

BRIEF = "spire-brief"
BRIEF_LIFE = timedelta(seconds=120)
"""Lifetime of an SVID, so that it is renewed, or ends, while the test watches."""
KNOWN_SECONDS = 90.0
"""From an entry's making until the agent of its node gives the identity."""
RENEWED_SECONDS = 200.0
"""Until an SVID is renewed: the agent's longest pause is 96 s."""
BACK_SECONDS = 180.0
"""Until identities are given and samples taken again, after a start or a heal."""


def until_known(client: Client, limit: TimeLimit) -> None:
    """Until the pod is given an identity."""
    _until_svid(client, f"{client.pod} has an identity", limit, KNOWN_SECONDS)


def until_answered(client: Client, limit: TimeLimit) -> None:
    """The same, after the agent was started."""
    _until_svid(client, f"the agent on {client.node} gives identities", limit, BACK_SECONDS)


def _until_svid(client: Client, title: str, limit: TimeLimit, seconds: float) -> None:
    eventually(title, lambda: client.svid().ok, limit(seconds), every=1.0)


def until_renewed(client: Client, old: Shown, limit: TimeLimit) -> Shown:
    """Until the pod has another SVID than `old`."""

    def another() -> Shown | None:
        found = client.svid()
        return found.shown() if found.ok and found.shown().serial != old.serial else None

    return eventually("the SVID is renewed", another, limit(RENEWED_SECONDS), every=1.0)


def until_handed(workload: Workload, node: str, since: float, limit: TimeLimit) -> None:
    """Until the collector has taken samples of the node after `since`, in seconds since 1970."""
    eventually(
        f"the collector takes samples of {node}",
        lambda: workload.client.sampler_status(node, limit(60)).handed / 1e9 > since,
        limit(BACK_SECONDS),
        every=1.0,
    )
