"""Waits of the SPIRE tests."""

from __future__ import annotations

from datetime import timedelta

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from suites.spire.clients import Client, Shown

BRIEF = "spire-brief"
BRIEF_LIFE = timedelta(seconds=120)
"""Lifetime of an SVID that is renewed, or expires, during the test."""
KNOWN_SECONDS = 90.0
"""Seconds from the creation of an entry until the agent of its node issues the identity."""
RENEWED_SECONDS = 200.0
"""Seconds until an SVID is renewed: the agent's maximum back-off is 96 s."""
BACK_SECONDS = 180.0
"""Seconds until identities are issued and samples accepted again, after a start or a heal."""


def until_known(client: Client, limit: TimeLimit) -> None:
    """Waits until the pod gets an identity."""
    _until_svid(client, f"{client.pod} has an identity", limit, KNOWN_SECONDS)


def until_answered(client: Client, limit: TimeLimit) -> None:
    """The same, after the agent was started."""
    _until_svid(client, f"the agent on {client.node} issues identities", limit, BACK_SECONDS)


def _until_svid(client: Client, title: str, limit: TimeLimit, seconds: float) -> None:
    eventually(title, lambda: client.svid().ok, limit(seconds), every=1.0)


def until_renewed(client: Client, old: Shown, limit: TimeLimit) -> Shown:
    """Waits until the pod has an SVID other than `old`."""

    def another() -> Shown | None:
        found = client.svid()
        return found.shown() if found.ok and found.shown().serial != old.serial else None

    return eventually("the SVID is renewed", another, limit(RENEWED_SECONDS), every=1.0)


def until_handed(workload: Workload, node: str, since: float, limit: TimeLimit) -> None:
    """Waits until the collector has accepted samples of the node after `since`, seconds since
    1970."""
    eventually(
        f"the collector takes samples of {node}",
        lambda: workload.client.sampler_status(node, limit(60)).handed / 1e9 > since,
        limit(BACK_SECONDS),
        every=1.0,
    )
