"""Each sender during each fault of its node: which served samples are in the cloud afterwards."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.metrics.conftest import OutageOf
from suites.metrics.judging import AFTER_KILL, AFTER_RESET, judge_sender
from suites.metrics.outages import (
    clock_jump,
    clock_set_back,
    cut_and_heal,
    killed_while_offline,
    reset_while_offline,
    satellite_line,
    slow_line,
)
from suites.metrics.senders import LOSE_BY_CLOCK, LOSE_BY_RESET, each_sender

pytestmark = [
    allure.parent_suite("Metrics"),
    allure.feature("History"),
    pytest.mark.needs("metrics"),
]


@pytest.mark.core
@pytest.mark.scenario("metrics: uplink cut")
@pytest.mark.parametrize("sender", each_sender())
@allure.title("Uplink cut and healed: {sender} loses no sample")
def test_a_cut_costs_no_sample(outage_of: OutageOf, sender: str, judged: Judged) -> None:
    judged(judge_sender(outage_of(cut_and_heal).evidence, sender))


@pytest.mark.scenario("metrics: slow line")
@pytest.mark.parametrize("sender", each_sender())
@allure.title("Uplink as slow as 2G: {sender} loses no sample")
def test_a_slow_line_costs_no_sample(outage_of: OutageOf, sender: str, judged: Judged) -> None:
    judged(judge_sender(outage_of(slow_line).evidence, sender))


@pytest.mark.scenario("metrics: satellite line")
@pytest.mark.parametrize("sender", each_sender())
@allure.title("Uplink over a geostationary satellite: {sender} loses no sample")
def test_a_satellite_line_costs_no_sample(outage_of: OutageOf, sender: str, judged: Judged) -> None:
    judged(judge_sender(outage_of(satellite_line).evidence, sender))


@pytest.mark.scenario("metrics: senders killed while offline")
@pytest.mark.parametrize("sender", each_sender(LOSE_BY_RESET))
@allure.title("{sender} killed while offline: it loses no sample that it can have written")
def test_a_kill_while_offline_costs_no_sample(
    outage_of: OutageOf, sender: str, judged: Judged
) -> None:
    judged(judge_sender(outage_of(killed_while_offline).evidence, sender, AFTER_KILL))


@pytest.mark.scenario("metrics: reset while offline")
@pytest.mark.parametrize("sender", each_sender(LOSE_BY_RESET))
@allure.title("Power lost while offline: {sender} loses no sample that the disk can have held")
def test_a_reset_while_offline_costs_no_sample(
    outage_of: OutageOf, sender: str, judged: Judged
) -> None:
    judged(judge_sender(outage_of(reset_while_offline).evidence, sender, AFTER_RESET))


# Before the jump ahead, after which some senders send nothing for five minutes.
@pytest.mark.scenario("metrics: clock set back")
@pytest.mark.parametrize("sender", each_sender(LOSE_BY_CLOCK))
@allure.title("Clock set five minutes back and corrected: {sender} loses no sample")
def test_a_clock_that_is_set_back_costs_no_sample(
    outage_of: OutageOf, sender: str, judged: Judged
) -> None:
    judged(judge_sender(outage_of(clock_set_back).evidence, sender))


@pytest.mark.scenario("metrics: clock jump")
@pytest.mark.parametrize("sender", each_sender(LOSE_BY_CLOCK))
@allure.title("Clock set five minutes ahead and back: {sender} loses no sample")
def test_a_clock_jump_costs_no_sample(outage_of: OutageOf, sender: str, judged: Judged) -> None:
    judged(judge_sender(outage_of(clock_jump).evidence, sender))
