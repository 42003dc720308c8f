"""Each sender on a node that is offline and whose disk is full for a while."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.metrics.conftest import OutageOf
from suites.metrics.judging import judge_sender
from suites.metrics.outages import disk_full_while_offline
from suites.metrics.senders import LOSE_BY_FULL_DISK, each_sender

pytestmark = [
    allure.parent_suite("Metrics"),
    allure.feature("History"),
    pytest.mark.needs("metrics"),
]


@pytest.mark.scenario("metrics: disk full while offline")
@pytest.mark.parametrize("sender", each_sender(LOSE_BY_FULL_DISK))
@pytest.mark.usefixtures("saved_lab")
@allure.title("Disk full while offline: {sender} loses no sample")
def test_a_full_disk_while_offline_costs_no_sample(
    outage_of: OutageOf, sender: str, judged: Judged
) -> None:
    judged(judge_sender(outage_of(disk_full_while_offline).evidence, sender))
