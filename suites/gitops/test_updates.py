"""Commits reach all nodes, despite failures on the server."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.gitops.fleet import SURGING, Fault
from suites.conftest import Judged
from suites.gitops.flow import ROLLOUT_SECONDS
from suites.gitops.judging import judge_bad_commit, judge_drift, judge_rollout
from suites.gitops.labside import LabSide
from suites.gitops.scenarios import (
    BASE,
    bad_commit,
    drift,
    drift_without_git,
    update,
)

pytestmark = [
    allure.parent_suite("GitOps"),
    allure.feature("Updates"),
    pytest.mark.needs("gitops"),
]


@pytest.mark.scenario("gitops: a commit")
@allure.title("A commit runs on all edge nodes, once")
def test_a_commit_reaches_all_nodes(side: LabSide, judged: Judged) -> None:
    judged(judge_rollout(one, limit_s=ROLLOUT_SECONDS) for one in update(side))


@pytest.mark.scenario("gitops: kustomize-controller killed half-way")
@allure.title("kustomize-controller killed half-way: the commit runs on all edge nodes, once")
def test_a_killed_controller_ends_in_the_same(side: LabSide, judged: Judged) -> None:
    judged(judge_rollout(one, limit_s=ROLLOUT_SECONDS) for one in update(side, killed=True))


@pytest.mark.scenario("gitops: drift")
@allure.title("A DaemonSet changed by hand is put right, once")
def test_drift_is_put_right(side: LabSide, judged: Judged) -> None:
    judged([judge_drift(drift(side, side.nodes[0]))])


@pytest.mark.scenario("gitops: drift, Git server silent")
@allure.title("Git server silent: drift is put right by what was fetched, and updates go on later")
def test_drift_is_put_right_without_git(side: LabSide, judged: Judged) -> None:
    found, rollouts = drift_without_git(side, side.nodes[0])
    judged(
        [
            judge_drift(found),
            *(judge_rollout(one, limit_s=ROLLOUT_SECONDS) for one in rollouts),
        ]
    )


@pytest.mark.scenario("gitops: a bad commit")
@pytest.mark.parametrize("fault", [Fault.UNREADABLE, Fault.REFUSED], ids=lambda it: it.value)
@allure.title("A commit that is {fault}: edge nodes keep the last good one, and the fix comes")
def test_a_bad_commit_changes_nothing(side: LabSide, judged: Judged, fault: Fault) -> None:
    bad, fixed = bad_commit(side, fault, BASE)
    judged(
        [
            *(judge_bad_commit(one) for one in bad),
            *(judge_rollout(one, limit_s=ROLLOUT_SECONDS) for one in fixed),
        ]
    )


@pytest.mark.scenario("gitops: an image that is nowhere")
@allure.title("An image that is nowhere: what surges goes on with the last good one")
def test_a_missing_image_costs_nothing_that_surges(side: LabSide, judged: Judged) -> None:
    bad, fixed = bad_commit(side, Fault.NO_IMAGE, (SURGING,))
    judged(
        [
            *(judge_bad_commit(one, said=False) for one in bad),
            *(judge_rollout(one, limit_s=ROLLOUT_SECONDS) for one in fixed),
        ]
    )
