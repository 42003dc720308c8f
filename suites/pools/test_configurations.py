"""Configurations of pools: each node runs that of its pool, and no other."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.pools.judging import judge_neighbour, judge_placement
from suites.pools.known import a_change_restarts_all_pools
from suites.pools.labside import LabSide
from suites.pools.scenarios import neighbour, placement

pytestmark = [
    allure.parent_suite("Pools"),
    allure.feature("Configurations"),
    pytest.mark.needs("pools"),
]


@pytest.mark.core
@pytest.mark.scenario("pools: a configuration for each pool")
@allure.title("Each node is in its pool and region, and runs only the configuration of its pool")
def test_each_node_runs_the_configuration_of_its_pool(side: LabSide, judged: Judged) -> None:
    judged(map(judge_placement, placement(side)))


@pytest.mark.scenario("pools: tweaks for the wrong pools")
@allure.title("Tweaks that name the wrong pools are detected on each node (control)")
def test_a_tweak_for_the_wrong_pool_is_noticed(side: LabSide) -> None:
    for found in placement(side, exchanged=True):
        verdict = judge_placement(found)
        assert any(problem.startswith("it runs ") for problem in verdict.problems), str(verdict)


@a_change_restarts_all_pools
@pytest.mark.scenario("pools: a change of one pool")
@allure.title("A new configuration of one pool restarts no pods of other pools")
def test_a_change_of_one_pool_leaves_the_others_alone(side: LabSide, judged: Judged) -> None:
    judged(map(judge_neighbour, neighbour(side, list(side.pools)[-1])))
