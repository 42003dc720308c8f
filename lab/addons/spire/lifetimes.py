"""How long identities live: what decides how long a node goes on without the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Lifetimes:
    """Of certificates that SPIRE issues. Each is renewed at about half of its life, by the server.

    So a node that is cut off has about half of each left, or more: then its pods are refused by
    their peers (`svid`), and the agent itself ends (`agent`).
    """

    svid: timedelta = HOUR
    agent: timedelta = 24 * HOUR
    authority: timedelta = 720 * HOUR
    """Of the server's own intermediate authority. What it issues never outlives it; SPIRE keeps its
    word for lifetimes of up to a sixth of it."""

    def promised(self, life: timedelta) -> timedelta:
        """How long what lives so long is good for after any moment, at the least.

        It is renewed when half of its life is left, or a tenth of that more or less
        (pkg/common/rotationutil of SPIRE).
        """
        return life / 2 * 0.9


def go_duration(life: timedelta) -> str:
    """As SPIRE's configuration takes it."""
    return f"{round(life.total_seconds())}s"
