"""Each sender during each fault of its node: which served samples are in the cloud afterwards."""

from __future__ import annotations

from collections.abc import Callable

import allure
import pytest

from edge_lab.oracles.verdict import Verdict
from suites.metrics.conftest import OutageOf
from suites.metrics.judging import AFTER_RESET, NOTHING, Allowance, judge_samples
from suites.metrics.outages import Outage, clock_jump, cut_and_heal, reset_while_offline, slow_line
from suites.metrics.senders import LOSE_BY_RESET, each_sender

pytestmark = [
    allure.parent_suite("Metrics"),
    allure.feature("History"),
    pytest.mark.needs("metrics"),
]

Record = Callable[[Verdict], None]


def judged(outage: Outage, sender: str, record: Record, allowance: Allowance = NOTHING) -> None:
    """Fails the test if the verdict on any node has not passed."""
    verdicts = [
        judge_samples(evidence, allowance)
        for key, evidence in outage.evidence.items()
        if key.sender == sender
    ]
    for verdict in verdicts:
        record(verdict)
    assert verdicts, f"no node has {sender}"
    failed = [str(verdict) for verdict in verdicts if not verdict.passed]
    assert not failed, "\n".join(failed)


@pytest.mark.scenario("metrics: uplink cut")
@pytest.mark.parametrize("sender", each_sender())
@allure.title("Uplink cut and healed: {sender} loses no sample")
def test_a_cut_costs_no_sample(outage_of: OutageOf, sender: str, record_verdict: Record) -> None:
    judged(outage_of(cut_and_heal), sender, record_verdict)


@pytest.mark.scenario("metrics: slow line")
@pytest.mark.parametrize("sender", each_sender())
@allure.title("Uplink as slow as 2G: {sender} loses no sample")
def test_a_slow_line_costs_no_sample(
    outage_of: OutageOf, sender: str, record_verdict: Record
) -> None:
    judged(outage_of(slow_line), sender, record_verdict)


@pytest.mark.scenario("metrics: reset while offline")
@pytest.mark.parametrize("sender", each_sender(LOSE_BY_RESET))
@allure.title("Power lost while offline: {sender} loses no sample that the disk can have held")
def test_a_reset_while_offline_costs_no_sample(
    outage_of: OutageOf, sender: str, record_verdict: Record
) -> None:
    judged(outage_of(reset_while_offline), sender, record_verdict, AFTER_RESET)


@pytest.mark.scenario("metrics: clock jump")
@pytest.mark.parametrize("sender", each_sender())
@allure.title("Clock set five minutes ahead and back: {sender} loses no sample")
def test_a_clock_jump_costs_no_sample(
    outage_of: OutageOf, sender: str, record_verdict: Record
) -> None:
    judged(outage_of(clock_jump), sender, record_verdict)
