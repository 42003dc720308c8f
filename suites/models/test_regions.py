"""Rollouts that go from region to region, behind a canary region."""

from __future__ import annotations

import allure
import pytest

from edge_lab.oracles.models.regions import judge_regions
from edge_lab.oracles.models.requests import judge_requests
from suites.conftest import Judged
from suites.models.labside import LabSide
from suites.models.regions import Found, brittle_version, good_version, region_cut_off

pytestmark = [
    allure.parent_suite("Models"),
    allure.feature("Regions"),
    pytest.mark.needs("models"),
]


@pytest.mark.scenario("models: from region to region")
@allure.title("The next region gets a version when the canary region has confirmed it")
def test_the_next_region_waits_for_the_canary_region(side: LabSide, judged: Judged) -> None:
    _judge(judged, good_version(side))


@pytest.mark.scenario("models: worse in the canary region")
@allure.title("A version that the canary region rolls back reaches no other region")
def test_a_version_that_was_rolled_back_goes_no_further(side: LabSide, judged: Judged) -> None:
    _judge(judged, brittle_version(side))


@pytest.mark.scenario("models: canary region cut off")
@allure.title("Canary region cut off: no other region gets the version before the heal")
def test_a_canary_region_that_is_cut_off_is_waited_for(side: LabSide, judged: Judged) -> None:
    _judge(judged, region_cut_off(side))


def _judge(judged: Judged, found: Found) -> None:
    rollout, evidence = found
    allowed = {rollout.previous, rollout.tag}
    canary = {turn.node for turn in rollout.canary}
    judged(
        [
            judge_regions(rollout),
            *(
                judge_requests(
                    each,
                    allowed if rollout.halt is None or each.node in canary else {rollout.previous},
                )
                for each in evidence
            ),
        ]
    )
