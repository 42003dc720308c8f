"""Updates: one node after the other, and one that is interrupted."""

from __future__ import annotations

import allure
import pytest

from edge_lab.oracles.models.cloud import judge_canary, judge_reported
from edge_lab.oracles.models.requests import judge_requests
from edge_lab.oracles.models.updates import (
    judge_cut_update,
    judge_full_disk,
    judge_killed_agent,
    judge_staged_reset,
)
from suites.conftest import Judged
from suites.models.interruptions import cut_update, full_disk, killed_agent, staged_reset
from suites.models.labside import LabSide
from suites.models.scenarios import update

pytestmark = [
    allure.parent_suite("Models"),
    allure.feature("Updates"),
    pytest.mark.needs("models"),
]


@pytest.mark.scenario("models: an update")
@allure.title("An update goes from node to node, loses no request, and the cloud reports what runs")
def test_an_update_goes_from_node_to_node(side: LabSide, judged: Judged) -> None:
    rolled = update(side)
    judged(
        [
            judge_canary(rolled.canary),
            *(judge_requests(evidence, {rolled.old, rolled.new}) for evidence in rolled.evidence),
            *(judge_reported(reported) for reported in rolled.reported),
        ]
    )


@pytest.mark.core
@pytest.mark.scenario("models: an update cut half-way")
@allure.title("Uplink cut during a fetch: the old version serves until the new one is complete")
def test_half_an_update_never_serves(side: LabSide, judged: Judged) -> None:
    judged([judge_cut_update(cut_update(side, side.nodes[0]))])


@pytest.mark.scenario("models: power lost during a fetch")
@pytest.mark.needs("offline-reboot")
@allure.title("Power lost during a fetch, offline: the old version serves, and later the new one")
def test_a_loss_of_power_during_a_fetch(side: LabSide, judged: Judged) -> None:
    judged([judge_cut_update(cut_update(side, side.nodes[0], reset=True))])


@pytest.mark.scenario("models: power lost during a comparison")
@allure.title("Power lost during a comparison: the complete version is not fetched again")
def test_a_loss_of_power_during_a_comparison(side: LabSide, judged: Judged) -> None:
    judged([judge_staged_reset(staged_reset(side, side.nodes[0]))])


@pytest.mark.scenario("models: agent killed")
@allure.title("Agent killed during a fetch and during a comparison: nothing is fetched twice")
def test_a_killed_agent_goes_on_where_it_was(side: LabSide, judged: Judged) -> None:
    judged([judge_killed_agent(killed_agent(side, side.nodes[0]))])


@pytest.mark.scenario("models: a full disk")
@pytest.mark.usefixtures("saved_lab")
@allure.title("Disk full during a fetch: the node says why, and goes on when there is space")
def test_a_full_disk_delays_an_update(side: LabSide, judged: Judged) -> None:
    judged([judge_full_disk(full_disk(side, side.nodes[0]))])
