"""Updates of models over bad uplinks."""

from __future__ import annotations

import allure
import pytest

from edge_lab.oracles.models.cloud import judge_canary
from edge_lab.oracles.models.requests import judge_requests
from suites.conftest import Judged
from suites.lines import each_line, over_line
from suites.models.labside import LabSide
from suites.models.scenarios import update

pytestmark = [
    allure.parent_suite("Models"),
    allure.feature("Bad lines"),
    pytest.mark.needs("models"),
]


@pytest.mark.parametrize("line", each_line("models"))
@allure.title("Uplinks are lines of type {line}: an update reaches all nodes, no request is lost")
def test_an_update_over_a_bad_line_loses_no_request(
    side: LabSide, judged: Judged, line: str
) -> None:
    with over_line(side, side.nodes, line):
        rolled = update(side)
    judged(
        [
            judge_canary(rolled.canary),
            *(judge_requests(evidence, {rolled.old, rolled.new}) for evidence in rolled.evidence),
        ]
    )
