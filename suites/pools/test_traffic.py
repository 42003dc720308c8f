"""Traffic of pools: a Service with the annotation leads to pods of the node's own pool alone."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.pools.names import EVERYWHERE, SITE
from suites.conftest import Judged
from suites.pools.judging import judge_traffic
from suites.pools.labside import LabSide
from suites.pools.scenarios import traffic

pytestmark = [
    allure.parent_suite("Pools"),
    allure.feature("Traffic"),
    pytest.mark.needs("pools", "services"),
]


@pytest.mark.core
@pytest.mark.scenario("pools: traffic within a pool")
@allure.title("Each node is given the endpoints of its own pool only")
def test_traffic_stays_in_its_pool(side: LabSide, judged: Judged) -> None:
    judged(map(judge_traffic, traffic(side, SITE)))


@pytest.mark.scenario("pools: traffic without the annotation")
@allure.title("Without the annotation, each node is given the endpoints of all pools (control)")
def test_without_the_annotation_traffic_leaves_its_pool(side: LabSide) -> None:
    for found in traffic(side, EVERYWHERE):
        verdict = judge_traffic(found)
        assert found.given == found.own | found.foreign, str(verdict)
        assert not verdict.passed, str(verdict)
