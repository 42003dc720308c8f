"""Lifetimes of identities, which determine how long a node works without the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Lifetimes:
    """Lifetimes of certificates that SPIRE issues. Each is renewed at about half its lifetime.

    So a node that is cut off has at least about half of each left; after that its pods are refused
    by their peers (`svid`), and the agent itself exits (`agent`).
    """

    svid: timedelta = HOUR
    agent: timedelta = 24 * HOUR
    authority: timedelta = 720 * HOUR
    """Lifetime of the server's own intermediate authority. Certificates never outlive it; SPIRE
    guarantees lifetimes of up to a sixth of it."""

    def promised(self, life: timedelta) -> timedelta:
        """The minimum remaining validity at any moment for this lifetime.

        Renewal is at half of the lifetime, plus or minus a tenth of that
        (pkg/common/rotationutil of SPIRE).
        """
        return life / 2 * 0.9


def go_duration(life: timedelta) -> str:
    """In the format of SPIRE's configuration."""
    return f"{round(life.total_seconds())}s"
