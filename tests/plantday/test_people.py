"""What people do on a day: at its time, again after a failure, and never beyond the slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from edge_lab.addons.gitops.client import Pushed
from edge_lab.addons.gitops.fleet import Fault, Revision
from edge_lab.addons.models.records import Act
from edge_lab.addons.models.versions import BETTER, WORSE
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from suites.gitops.side import Side as Fleet
from suites.models.side import Said
from suites.models.side import Side as Models
from suites.plantday.day import Action, Activity, Day
from suites.plantday.people import People


@dataclass
class FakeClock:
    """Time passes only while somebody waits."""

    now: float = 0.0

    def wait(self, until: float) -> None:
        self.now = max(self.now, until)


@dataclass
class FakeFleet:
    clock: FakeClock
    silent: tuple[float, float] = (-1.0, -1.0)
    pushes: list[tuple[float, Revision]] = field(default_factory=list)
    names: int = 1

    def name(self) -> str:
        self.names += 1
        return f"r{self.names}"

    def push(self, revisions: Sequence[Revision], *, each: bool = False) -> tuple[Pushed, ...]:
        begin, end = self.silent
        if begin <= self.clock.now < end:
            raise LabError("the Git server does not answer")
        self.pushes += [(self.clock.now, revision) for revision in revisions]
        return (Pushed("c0ffee", self.clock.now, len(revisions)),)


@dataclass
class FakeModels:
    clock: FakeClock
    refuses_after: float = 10.0
    wanted: list[tuple[float, str]] = field(default_factory=list)
    order: tuple[str, ...] = ("edge-arm", "server")

    def acts(self, node: str) -> tuple[Act, ...]:
        return (Act(0.0, "told", "10"),)

    def want(self, tag: str) -> None:
        self.wanted.append((self.clock.now, tag))

    def said(self) -> Said:
        time, tag = self.wanted[-1]
        halted = tag == WORSE and self.clock.now >= time + self.refuses_after
        return Said(1, 1, "Halted" if halted else "Progressing", {})


def people(**of_fleet: Any) -> tuple[People, FakeFleet, FakeModels, FakeClock]:
    clock = FakeClock()
    fleet, models = FakeFleet(clock, **of_fleet), FakeModels(clock)
    found = People(
        cast(Fleet, fleet),
        cast(Models, models),
        Revision("r1", ("edge-arm",)),
        BETTER,
        now=lambda: clock.now,
    )
    return found, fleet, models, clock


def live(found: People, day: Day, clock: FakeClock) -> None:
    found.live(day, clock, Deadline.after(60))


def test_a_whole_day_is_done_at_its_times() -> None:
    found, fleet, models, clock = people()
    day = Day(60)
    live(found, day, clock)
    assert clock.now == day.seconds
    assert [done.action for done in found.done] == [
        activity.action.value for activity in day.activities
    ]
    for activity, done in zip(day.activities, found.done, strict=True):
        assert day.at(activity.at) <= done.time <= day.at(activity.until)
        assert done.tries == 1
    assert [revision.fault for _, revision in fleet.pushes].count(Fault.UNREADABLE) == 1
    assert [made.name for made in found.made] == ["r1", "r2", "r3", "r4", "r5", "r6"]
    assert [made.bad for made in found.made].count(True) == 1
    # 10 was used before, and no good version is wanted twice.
    assert [tag for _, tag in models.wanted] == ["11", WORSE, "12"]


def test_what_fails_by_a_fault_is_done_again_with_the_same_revision() -> None:
    day = Day(10, (Activity(0.1, 0.5, Action.PUSH),))
    found, fleet, _, clock = people(silent=(0.0, 100.0))
    live(found, day, clock)
    ((time, revision),) = fleet.pushes
    assert 100 <= time <= 110
    assert revision.name == "r2"
    assert [made.name for made in found.made] == ["r1", "r2"]
    assert found.done[0].tries > 1


def test_what_fails_for_its_whole_slot_is_an_error_of_the_lab() -> None:
    day = Day(10, (Activity(0.1, 0.2, Action.PUSH),))
    found, _, _, clock = people(silent=(0.0, 1e9))
    with pytest.raises(LabError, match="push was not possible in its slot, until 120 s"):
        live(found, day, clock)
    assert clock.now == 120


def test_an_update_waits_for_the_bad_one_to_be_refused_but_not_for_ever() -> None:
    activities = (
        Activity(0.1, 0.2, Action.UPDATE_BAD),
        Activity(0.2, 0.5, Action.UPDATE, after_refusal=True),
    )
    for refuses_after, earliest, latest in ((100.0, 160, 170), (1e9, 480, 480)):
        found, _, models, clock = people()
        models.refuses_after = refuses_after
        live(found, Day(10, activities), clock)
        assert earliest <= models.wanted[-1][0] <= latest
        assert found.wishes[-1].tag == "11"


def test_a_day_that_takes_too_long_ends() -> None:
    day = Day(10, (Activity(0.1, 0.9, Action.PUSH),))
    found, _, _, clock = people(silent=(0.0, 1e9))
    with pytest.raises(DeadlineExceeded):
        found.live(day, clock, Deadline.after(0))


def test_a_day_whose_plan_has_failed_does_not_go_on() -> None:
    found, fleet, _, clock = people()

    def check() -> None:
        if clock.now >= 300:
            raise LabError("the plan of the day has failed")

    found.check = check
    with pytest.raises(LabError, match="has failed"):
        live(found, Day(60), clock)
    assert clock.now < 310
    assert len(fleet.pushes) == 1
