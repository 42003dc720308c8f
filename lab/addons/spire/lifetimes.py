"""How long identities live: what decides how long a node goes on without the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Lifetimes:
    """Of certificates that SPIRE issues. Each is renewed at about half of its life, by the server.

    So a node that is cut off has at least half of each left: after `svid` its pods are refused by
    their peers, after `agent` the agent itself ends.
    """

    svid: timedelta = HOUR
    agent: timedelta = 24 * HOUR
    authority: timedelta = 720 * HOUR
    """Of the server's own intermediate authority. What it issues never outlives it; SPIRE keeps its
    word for lifetimes of up to a sixth of it."""

    RENEWED_AT = 0.5
    RENEWED_SPREAD = 0.1
    """Of a life, and how much sooner or later (pkg/common/rotationutil of SPIRE)."""

    def promised(self, life: timedelta) -> timedelta:
        """How long what lives so long is good for after any moment, at the least: it is renewed
        at the latest when this much is left."""
        return life * (1 - self.RENEWED_AT - self.RENEWED_SPREAD)


def go_duration(life: timedelta) -> str:
    """As SPIRE's configuration takes it."""
    return f"{round(life.total_seconds())}s"
