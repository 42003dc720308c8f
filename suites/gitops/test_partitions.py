"""A node is unreachable while the fleet changes: what it runs, what the others run, and its
revision after its return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import allure
import pytest

from edge_lab.addons.gitops.fleet import STRICT, SURGING, Fault
from suites.conftest import Judged
from suites.gitops.flow import ROLLOUT_SECONDS
from suites.gitops.interrupted import cut_during_update, judge_interrupted
from suites.gitops.judging import judge_drift, judge_offline, judge_pods, judge_rollout, judge_surge
from suites.gitops.known import (
    old_pods_of_a_silent_node_are_deleted,
    pods_pile_up,
    update_waits_for_who_is_away,
)
from suites.gitops.labside import LabSide
from suites.gitops.scenarios import (
    BACK_SECONDS,
    Away,
    away,
    drift,
    ended_by_hand,
    piled_up,
)

pytestmark = [
    allure.parent_suite("GitOps"),
    allure.feature("Partitions"),
    pytest.mark.needs("gitops"),
]

TWICE = (Fault.NONE,) * 2
PUSHES, COMMITS = 10, 10
"""A hundred commits during an outage, not all of which are fetched."""


@dataclass
class Made:
    """Scenarios that several tests judge, each run once."""

    found: dict[str, Away] = field(default_factory=dict)

    def once(self, name: str, play: Callable[[], Away]) -> Away:
        if name not in self.found:
            self.found[name] = play()
        return self.found[name]


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


def two_updates(made: Made, side: LabSide) -> Away:
    """Two pushes while a node is unreachable, including parts with other strategies."""
    return made.once("two", lambda: away(side, side.nodes[-1], faults=TWICE, strategies=True))


@pytest.mark.core
@pytest.mark.scenario("gitops: update while a node is offline")
@allure.title("Two updates while a node is offline: its pods keep running, and it gets the second")
def test_a_node_that_was_away_ends_in_the_newest(side: LabSide, judged: Judged, made: Made) -> None:
    found = two_updates(made, side)
    judged(
        [
            judge_offline(found.offline),
            *(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in found.online),
            judge_rollout(found.back, limit_s=BACK_SECONDS),
        ]
    )


@pytest.mark.core
@pytest.mark.scenario("gitops: update with the default strategy while a node is offline")
@update_waits_for_who_is_away
@allure.title("One node offline: a DaemonSet with the default strategy is updated on the others")
def test_the_default_strategy_goes_on_without_a_node(
    side: LabSide, judged: Judged, made: Made
) -> None:
    found = two_updates(made, side)
    judged(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in found.strict)


@pytest.mark.core
@pytest.mark.scenario("gitops: default strategy after the heal")
@allure.title("After the heal: a DaemonSet with the default strategy has the newest revision there")
def test_the_default_strategy_ends_in_the_newest(side: LabSide, judged: Judged, made: Made) -> None:
    back = two_updates(made, side).strategies[STRICT.name]
    judged([judge_rollout(back, limit_s=BACK_SECONDS)])


@pytest.mark.scenario("gitops: surging part after the heal")
@old_pods_of_a_silent_node_are_deleted
@allure.title("After the heal: a surging part runs until its new revision has started")
def test_a_surging_part_runs_until_the_new_one_has_started(
    side: LabSide, judged: Judged, made: Made
) -> None:
    judged([judge_surge(two_updates(made, side).strategies[SURGING.name], SURGING.name)])


@pytest.mark.scenario("gitops: a hundred commits while a node is offline")
@allure.title("A hundred commits while a node is offline: it is updated to the newest")
def test_a_hundred_commits_are_one_step(side: LabSide, judged: Judged) -> None:
    found = away(side, side.nodes[0], faults=(Fault.NONE,) * PUSHES, commits=COMMITS)
    judged([judge_offline(found.offline), judge_rollout(found.back, limit_s=BACK_SECONDS)])


@pytest.mark.scenario("gitops: bad commits and their fix while a node is offline")
@allure.title("Bad commits and their fix while a node is offline: it only ever runs the fix")
def test_a_node_that_was_away_sees_no_bad_commit(side: LabSide, judged: Judged) -> None:
    faults = (Fault.UNREADABLE, Fault.NO_IMAGE, Fault.NONE)
    found = away(side, side.nodes[-1], faults=faults)
    judged([judge_offline(found.offline), judge_rollout(found.back, limit_s=BACK_SECONDS)])


@pytest.mark.scenario("gitops: reset while offline")
@pytest.mark.needs("autonomy")
@allure.title("A node reset while offline: what it ran runs again, and then the newest")
def test_a_node_that_was_reset_while_offline_catches_up(side: LabSide, judged: Judged) -> None:
    found = away(side, side.nodes[0], reset=True)
    judged([judge_offline(found.offline), judge_rollout(found.back, limit_s=BACK_SECONDS)])


@pytest.mark.scenario("gitops: cut during an update")
@allure.title("A node cut off in the middle of an update: a surging part runs, and it catches up")
def test_a_cut_during_an_update_leaves_what_surges(side: LabSide, judged: Judged) -> None:
    found, back = cut_during_update(side, side.nodes[0])
    judged([judge_interrupted(found), judge_rollout(back, limit_s=BACK_SECONDS)])


@pytest.mark.scenario("gitops: drift while a node is offline")
@allure.title("A DaemonSet changed by hand while a node is offline: the node never runs it")
def test_drift_is_over_before_the_node_is_back(side: LabSide, judged: Judged) -> None:
    judged([judge_drift(drift(side, side.nodes[-1], offline=True))])


@pytest.mark.scenario("gitops: process killed while offline")
@pytest.mark.needs("autonomy")
@allure.title("A process killed on an offline node: the revision before runs again, exactly once")
def test_what_is_killed_while_offline_runs_again(side: LabSide, judged: Judged) -> None:
    judged([judge_offline(ended_by_hand(side, side.nodes[0]))])


@pytest.mark.scenario("gitops: Deployment bound to an offline node")
@pods_pile_up
@allure.title("A Deployment with one replica, bound to an offline node, has two pods at most")
def test_pods_of_a_bound_deployment_stay_few(side: LabSide, judged: Judged) -> None:
    judged([judge_pods(piled_up(side, side.nodes[-1]), most=2)])
