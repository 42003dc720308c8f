"""The schedule of a day: what people do, at which share of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

QUIET = 0.8
"""From this share of the day on there are no faults, so that delayed data can arrive."""
BAD_MODEL = (0.52, 0.70)
"""The share of the day in which a bad model is tried. Uplinks and devices must be whole: the
operator passes over edge nodes that it cannot reach, and the cloud does not compare versions."""


class Action(StrEnum):
    PUSH = "push"
    """A good revision."""
    PUSH_BAD = "push of a bad revision"
    """Not YAML: nothing of it may be applied."""
    UPDATE = "model update"
    """A good version that no node has ever had."""
    UPDATE_BAD = "update to a bad model"
    """A version that is worse on live samples."""


BAD_ACTIONS = frozenset((Action.PUSH_BAD, Action.UPDATE_BAD))


@dataclass(frozen=True)
class Activity:
    """Something that people do. Times are shares of the day."""

    at: float
    until: float
    """The end of its slot: while it fails because of a fault in progress, it is tried again until
    then."""
    action: Action
    after_refusal: bool = False
    """It waits for the bad model to be refused: on a slow host longer than its slot."""

    @property
    def last_until(self) -> float:
        """When it is done at the latest, as a share of the day."""
        return QUIET if self.after_refusal else self.until


DAY: tuple[Activity, ...] = (
    Activity(0.03, 0.08, Action.PUSH),
    Activity(0.08, 0.15, Action.UPDATE),
    Activity(0.24, 0.30, Action.PUSH),
    Activity(0.36, 0.43, Action.PUSH_BAD),
    # The Git server is silent meanwhile.
    Activity(0.45, 0.52, Action.PUSH),
    Activity(BAD_MODEL[0], 0.58, Action.UPDATE_BAD),
    Activity(0.60, BAD_MODEL[1], Action.UPDATE, after_refusal=True),
    Activity(0.72, QUIET, Action.PUSH),
)


@dataclass(frozen=True)
class Day:
    """One day of operation."""

    minutes: float
    activities: tuple[Activity, ...] = DAY

    @property
    def seconds(self) -> float:
        return 60 * self.minutes

    def at(self, share: float) -> float:
        """Seconds from the beginning."""
        return share * self.seconds
