"""Decisions of a node that is cut off from the cloud."""

from __future__ import annotations

import allure
import pytest

from edge_lab.oracles.models.cloud import judge_reported
from edge_lab.oracles.models.updates import judge_rollback
from suites.conftest import Judged
from suites.models.labside import LabSide
from suites.models.scenarios import brittle, rollback

pytestmark = [
    allure.parent_suite("Models"),
    allure.feature("Offline"),
    pytest.mark.needs("models"),
]


@pytest.mark.scenario("models: a rollback while offline")
@allure.title(
    "Offline: a rollback outlasts a loss of power, and the cloud reports it after the heal"
)
def test_a_rollback_needs_no_cloud(side: LabSide, judged: Judged) -> None:
    found, reported = rollback(side, side.nodes[0])
    judged([judge_rollback(found), judge_reported(reported)])


@pytest.mark.scenario("models: worse after a while")
@allure.title("Offline: a version that has become worse is rolled back by the node itself")
def test_a_version_that_becomes_worse_is_rolled_back(side: LabSide, judged: Judged) -> None:
    judged([judge_rollback(brittle(side, side.nodes[0]))])
