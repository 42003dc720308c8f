"""Queries for an unreachable node: it must be shown as missing, not as a straight line."""

from __future__ import annotations

from collections.abc import Callable

import allure
import pytest

from edge_lab.addons.metrics.receiver import LOOKBACK_SECONDS
from edge_lab.oracles.verdict import Verdict
from suites.metrics.conftest import OutageOf
from suites.metrics.judging import judge_line
from suites.metrics.outages import LINE_STEP, cut_and_heal

pytestmark = [
    allure.parent_suite("Metrics"),
    allure.feature("Queries"),
    pytest.mark.needs("metrics"),
]


@pytest.mark.core
@pytest.mark.scenario("metrics: uplink cut, query")
@allure.title("While a node is offline, a query returns no value beyond the lookback window")
def test_a_query_says_what_is_missing(
    outage_of: OutageOf, record_verdict: Callable[[Verdict], None]
) -> None:
    lines = outage_of(cut_and_heal).lines
    verdicts = [judge_line(line, lookback=LOOKBACK_SECONDS, step=LINE_STEP) for line in lines]
    for verdict in verdicts:
        record_verdict(verdict)
    assert verdicts, "no node was away"
    failed = [str(verdict) for verdict in verdicts if not verdict.passed]
    assert not failed, "\n".join(failed)
