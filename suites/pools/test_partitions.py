"""Pools that are cut off, and nodes that are moved meanwhile."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.pools.judging import judge_away, judge_change, judge_traffic
from suites.pools.labside import LabSide
from suites.pools.scenarios import BACK_SECONDS, CHANGE_SECONDS, cut_off, moved

pytestmark = [
    allure.parent_suite("Pools"),
    allure.feature("Partitions"),
    pytest.mark.needs("pools", "autonomy"),
]


@pytest.mark.core
@pytest.mark.scenario("pools: a pool is cut off")
@allure.title(
    "A pool that is cut off keeps running, others are updated, and it catches up after the heal"
)
def test_a_pool_that_is_cut_off_goes_on_and_catches_up(side: LabSide, judged: Judged) -> None:
    found = cut_off(side, next(iter(side.pools)))
    judged(
        [
            *map(judge_away, found.away),
            *(judge_change(change, limit_s=CHANGE_SECONDS) for change in found.others),
            *(judge_change(change, limit_s=BACK_SECONDS) for change in found.back),
        ]
    )


@pytest.mark.scenario("pools: a pool is cut off and loses its power")
@pytest.mark.fails_without("offline-reboot")
@allure.title(
    "A pool that loses its power while cut off runs its old configuration again, and catches up"
)
def test_a_pool_that_loses_its_power_goes_on_and_catches_up(side: LabSide, judged: Judged) -> None:
    found = cut_off(side, next(iter(side.pools)), reset=True)
    judged(
        [
            *map(judge_away, found.away),
            *(judge_change(change, limit_s=CHANGE_SECONDS) for change in found.others),
            *(judge_change(change, limit_s=BACK_SECONDS) for change in found.back),
        ]
    )


@pytest.mark.scenario("pools: a node is moved while offline")
@allure.title(
    "A node moved to another pool while offline changes its configuration once, after the heal"
)
def test_a_node_that_is_moved_while_offline_changes_once(side: LabSide, judged: Judged) -> None:
    first, second, *_ = side.pools
    found = moved(side, side.pools[first][0], second)
    judged(
        [
            judge_away(found.away),
            judge_change(found.back, limit_s=BACK_SECONDS),
            judge_traffic(found.traffic, alone=True, before=found.kept),
        ]
    )
