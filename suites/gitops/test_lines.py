"""Commits reach nodes over bad uplinks."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.gitops.flow import ROLLOUT_SECONDS
from suites.gitops.judging import judge_rollout
from suites.gitops.labside import LabSide
from suites.gitops.updates import update
from suites.lines import each_line, over_line

pytestmark = [
    allure.parent_suite("GitOps"),
    allure.feature("Bad lines"),
    pytest.mark.needs("gitops"),
]


@pytest.mark.parametrize("line", each_line("gitops"))
@allure.title("Uplinks are lines of type {line}: a commit is rolled out to all nodes, exactly once")
def test_a_commit_reaches_all_nodes_over_a_bad_line(
    side: LabSide, judged: Judged, line: str
) -> None:
    with over_line(side, side.nodes, line):
        judged(judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in update(side))
