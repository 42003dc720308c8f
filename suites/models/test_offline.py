"""Decisions of a node that is cut off from the cloud."""

from __future__ import annotations

import allure
import pytest

from edge_lab.oracles.models.cloud import judge_reported
from edge_lab.oracles.models.updates import judge_missed_update, judge_rollback
from suites.conftest import Judged
from suites.models.interruptions import missed_update
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


@pytest.mark.scenario("models: an update while offline")
@allure.title("Offline: the version before serves, and after the heal the newest that is wanted")
def test_an_update_reaches_a_node_that_was_offline(side: LabSide, judged: Judged) -> None:
    missed, reported = missed_update(side, side.nodes[0])
    judged([judge_missed_update(missed), judge_reported(reported)])
