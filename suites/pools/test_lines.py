"""Configurations of pools over bad uplinks."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.lines import each_line, over_line
from suites.pools.judging import judge_placement
from suites.pools.labside import LabSide
from suites.pools.scenarios import all_nodes, placement

pytestmark = [
    allure.parent_suite("Pools"),
    allure.feature("Bad lines"),
    pytest.mark.needs("pools"),
]


@pytest.mark.parametrize("line", each_line("pools"))
@allure.title("Uplinks are lines of type {line}: each node runs the configuration of its pool")
def test_each_node_runs_the_configuration_of_its_pool_over_a_bad_line(
    side: LabSide, judged: Judged, line: str
) -> None:
    with over_line(side, all_nodes(side), line):
        judged(map(judge_placement, placement(side)))
