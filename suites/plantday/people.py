"""What people do during a day, at their times, without waiting for the effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from edge_lab.addons.gitops.fleet import Fault, Revision
from edge_lab.addons.models.versions import FRESH, WORSE
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.step import step
from suites.gitops.side import Side as Fleet
from suites.models.side import Side as Models
from suites.plantday.day import Action, Activity, Day
from suites.plantday.evidence import Done, Made, Wish

RETRY_SECONDS = 5.0
"""From a failed attempt to the next one, and between two checks."""


def nothing() -> None:
    """Checks nothing."""


class Clock(Protocol):
    """The clock of a day: seconds since it began (`edge_lab.faults.runner.Clock` is one)."""

    @property
    def now(self) -> float: ...

    def wait(self, until: float) -> object:
        """Waits for that time."""
        ...


@dataclass
class People:
    """The people of one day, and what they have done."""

    fleet: Fleet
    models: Models
    first: Revision
    """What the fleet runs when the day begins."""
    serving: str
    """The tag that serves when the day begins."""
    transient: tuple[type[Exception], ...] = (LabError,)
    """Errors after which an activity is tried again."""
    now: Callable[[], float] = time.time
    check: Callable[[], None] = nothing
    """Called every few seconds of the day; raises LabError if it makes no sense to go on."""
    done: list[Done] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    _name: str = ""

    def __post_init__(self) -> None:
        self.made.append(Made(self.first.name, None))
        self.wishes.append(Wish(self.serving, self.now()))

    def live(self, day: Day, clock: Clock, deadline: Deadline) -> None:
        """The whole day, from now to its end.

        Raises:
            LabError: something could not be done in its slot.
            DeadlineExceeded: the day took much longer than it has seconds.
        """
        for activity in day.activities:
            self._wait(clock, day.at(activity.at))
            with step(f"{activity.action.value} at {day.at(activity.at):.0f} s"):
                self._do(activity, day, clock, deadline)
        self._wait(clock, day.seconds)

    def _wait(self, clock: Clock, until: float) -> None:
        self.check()
        while clock.now < until:
            clock.wait(min(until, clock.now + RETRY_SECONDS))
            self.check()

    def _do(self, activity: Activity, day: Day, clock: Clock, deadline: Deadline) -> None:
        ends = day.at(activity.last_until)
        tries = 0
        self._name = ""
        while True:
            if deadline.expired:
                raise DeadlineExceeded(f"the day was not over within {deadline.total:.0f} s")
            last = clock.now >= ends
            try:
                if last or not activity.after_refusal or self._refused():
                    tries += 1
                    what = self._act(activity.action)
                    self.done.append(Done(self.now(), activity.action.value, what, tries))
                    return
            except self.transient as trouble:
                if last:
                    raise LabError(
                        f"{activity.action.value} was not possible in its slot, until "
                        f"{ends:.0f} s: {trouble}"
                    ) from trouble
            self._wait(clock, min(clock.now + RETRY_SECONDS, max(ends, clock.now)))

    def _act(self, action: Action) -> str:
        """Does it, and returns the name of the revision or version."""
        if action in (Action.PUSH, Action.PUSH_BAD):
            return self._push(bad=action is Action.PUSH_BAD)
        return self._want(bad=action is Action.UPDATE_BAD)

    def _push(self, *, bad: bool) -> str:
        # Another attempt pushes the same revision: the one before may have arrived after all.
        if not self._name:
            self._name = self.fleet.name()
            self.made.append(Made(self._name, None, bad))
        fault = Fault.UNREADABLE if bad else Fault.NONE
        (pushed,) = self.fleet.push([replace(self.first, name=self._name, fault=fault)])
        self.made = [
            replace(made, pushed=pushed.time) if made.name == self._name else made
            for made in self.made
        ]
        return self._name

    def _want(self, *, bad: bool) -> str:
        tag = WORSE if bad else self._fresh()
        self.models.want(tag)
        self.wishes.append(Wish(tag, self.now(), bad))
        return tag

    def _fresh(self) -> str:
        """A good version that was never wanted here, neither today nor before."""
        used = {act.tag for node in self.models.order for act in self.models.acts(node)}
        used |= {wish.tag for wish in self.wishes}
        for tag in FRESH:
            if tag not in used:
                return tag
        raise LabError(
            "all versions of the registry have been used in this lab",
            remedy="Restore its checkpoint, or take it down and up again.",
        )

    def _refused(self) -> bool:
        """Whether the cloud says that the version that was wanted last is refused."""
        return self.models.said().halted
