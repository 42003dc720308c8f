"""Commits reach all nodes, despite failures on the server."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.gitops.fleet import SURGING, Fault
from edge_lab.addons.gitops.identities import CONTROLLERS
from suites.conftest import Judged
from suites.gitops.flow import BASE, ROLLOUT_SECONDS
from suites.gitops.judging import judge_bad_commit, judge_drift, judge_rollout
from suites.gitops.labside import LabSide
from suites.gitops.scenarios import bad_commit, drift, drift_without_git
from suites.gitops.updates import update

pytestmark = [
    allure.parent_suite("GitOps"),
    allure.feature("Updates"),
    pytest.mark.needs("gitops"),
]


@pytest.mark.core
@pytest.mark.scenario("gitops: a commit")
@allure.title("A commit is rolled out to all edge nodes, exactly once")
def test_a_commit_reaches_all_nodes(side: LabSide, judged: Judged) -> None:
    judged(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in update(side))


@pytest.mark.parametrize(
    "controller",
    [
        pytest.param(
            controller, marks=pytest.mark.scenario(f"gitops: {controller} killed during an update")
        )
        for controller in CONTROLLERS
    ],
)
@allure.title("{controller} killed: the commit is rolled out to all nodes, exactly once")
def test_a_killed_controller_ends_in_the_same(
    side: LabSide, judged: Judged, controller: str
) -> None:
    judged(
        judge_rollout(rollout, limit_s=ROLLOUT_SECONDS)
        for rollout in update(side, killed=controller)
    )


@pytest.mark.scenario("gitops: drift")
@allure.title("A DaemonSet changed by hand is reverted, exactly once")
def test_drift_is_put_right(side: LabSide, judged: Judged) -> None:
    judged([judge_drift(drift(side, side.nodes[0]))])


@pytest.mark.scenario("gitops: drift while the Git server is unreachable")
@allure.title(
    "Git server unreachable: drift is reverted to the fetched commit; updates resume later"
)
def test_drift_is_put_right_without_git(side: LabSide, judged: Judged) -> None:
    found, rollouts = drift_without_git(side, side.nodes[0])
    judged(
        [
            judge_drift(found),
            *(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in rollouts),
        ]
    )


@pytest.mark.scenario("gitops: a bad commit")
@pytest.mark.parametrize("fault", [Fault.UNREADABLE, Fault.REFUSED], ids=lambda kind: kind.value)
@allure.title("A commit that is {fault}: edge nodes keep the last good one, and get the fix")
def test_a_bad_commit_changes_nothing(side: LabSide, judged: Judged, fault: Fault) -> None:
    bad, fixed = bad_commit(side, fault, BASE)
    judged(
        [
            *(judge_bad_commit(commit) for commit in bad),
            *(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in fixed),
        ]
    )


@pytest.mark.scenario("gitops: a missing image")
@allure.title("A missing image: DaemonSets with maxSurge keep running the last good one")
def test_a_missing_image_costs_nothing_that_surges(side: LabSide, judged: Judged) -> None:
    bad, fixed = bad_commit(side, Fault.NO_IMAGE, (SURGING,))
    judged(
        [
            *(judge_bad_commit(commit, said=False) for commit in bad),
            *(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in fixed),
        ]
    )
