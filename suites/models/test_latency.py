"""Latency of inference at the edge and in the cloud: measured, without a limit."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.models.versions import BETTER
from edge_lab.oracles.models.cloud import judge_latency
from suites.conftest import Judged
from suites.models.labside import LabSide
from suites.models.scenarios import latencies

pytestmark = [
    allure.parent_suite("Models"),
    allure.feature("Latency"),
    pytest.mark.needs("models"),
]


@pytest.mark.scenario("models: latency")
@allure.title("Inference on the node, and in the cloud over a 3G line")
def test_latency_at_the_edge_and_in_the_cloud(side: LabSide, judged: Judged) -> None:
    judged(judge_latency(latency, tag=BETTER) for latency in latencies(side, side.nodes[0]))
