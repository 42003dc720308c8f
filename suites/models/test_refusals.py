"""Versions that must not serve."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.models.versions import CORRUPT, UNLOADABLE, WORSE
from edge_lab.oracles.models.updates import judge_refusal
from suites.conftest import Judged
from suites.models.labside import LabSide
from suites.models.scenarios import refusal

pytestmark = [
    allure.parent_suite("Models"),
    allure.feature("Refusals"),
    pytest.mark.needs("models"),
]


@pytest.mark.core
@pytest.mark.scenario("models: a worse version")
@allure.title("A version that is worse on live samples is not promoted")
def test_a_worse_version_is_not_promoted(side: LabSide, judged: Judged) -> None:
    judged([judge_refusal(refusal(side, WORSE, "Worse", compared=True))])


@pytest.mark.core
@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        pytest.param(tag, reason, id=tag, marks=pytest.mark.scenario(f"models: {what} artifact"))
        for tag, reason, what in (
            (CORRUPT, "Corrupt", "a corrupt"),
            (UNLOADABLE, "Unloadable", "an unloadable"),
        )
    ],
)
@allure.title("An artifact that is {tag} is refused")
def test_a_broken_artifact_is_refused(side: LabSide, judged: Judged, tag: str, reason: str) -> None:
    judged([judge_refusal(refusal(side, tag, reason))])
