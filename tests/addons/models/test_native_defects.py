"""Programs with a planted defect, for real: each turns its verdict red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_lab.addons.models.versions import BETTER, CORRUPT, WORSE
from edge_lab.oracles.models.cloud import judge_canary, judge_reported
from edge_lab.oracles.models.evidence import Look, Reported
from edge_lab.oracles.models.regions import judge_regions
from edge_lab.oracles.models.requests import judge_requests
from edge_lab.oracles.models.updates import (
    judge_full_disk,
    judge_killed_agent,
    judge_missed_update,
    judge_refusal,
    judge_rollback,
    judge_staged_reset,
)
from suites.models import interruptions, regions, scenarios
from suites.waiting import watch
from tests.addons.models.standin import NativeSide
from tests.addons.models.test_native import side

__all__ = ["side"]

pytestmark = pytest.mark.native(
    reason="a control plane, a registry, ONNX Runtime and kopf as processes of this host"
)


@pytest.fixture(autouse=True)
def soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a defect prevents is not waited for as long."""
    monkeypatch.setattr(scenarios, "ACT_SECONDS", 30.0)
    monkeypatch.setattr(scenarios, "UNKNOWN_SECONDS", 12.0)


def test_half_of_a_version_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    tag = scenarios.fresh(side)
    with side.with_defect(node, "torn"):
        side.until("it serves again", lambda: side.serving(node), 60)
        began = side.now()
        scenarios.settle(side, tag)
        watch(side, 4)
        verdict = judge_requests(scenarios.evidence(side, node, began), {BETTER, tag})
    assert any("not those of the version that they name" in problem for problem in verdict.problems)


def test_content_that_nobody_verified_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "unverified"):
        side.until("it serves again", lambda: side.serving(node), 60)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scenarios, "ROLLOUT_SECONDS", 60.0)
            found = scenarios.refusal(side, CORRUPT, "Corrupt")
        verdict = judge_refusal(found)
        assert f"{CORRUPT} was promoted" in verdict.problems
        # Before the defect is over, so that the next agent finds nothing corrupt.
        scenarios.settle(side, BETTER)


def test_a_gate_that_lets_all_pass_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "ungated"):
        side.until("it serves again", lambda: side.serving(node), 60)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scenarios, "ROLLOUT_SECONDS", 60.0)
            found = scenarios.refusal(side, WORSE, "Worse", compared=True)
        verdict = judge_refusal(found)
        assert f"{WORSE} was promoted" in verdict.problems
        scenarios.settle(side, BETTER)


def test_a_node_that_keeps_nothing_cannot_go_back(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "forgetful"):
        side.until("it serves again", lambda: side.serving(node), 60)
        found, _ = scenarios.rollback(side, node, reset=False)
    verdict = judge_rollback(found)
    assert any("was not rolled back" in problem for problem in verdict.problems)


def test_a_report_of_what_was_wanted_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "boastful"):
        side.until("it serves again", lambda: side.serving(node), 60)
        began = side.now()
        side.want(WORSE)
        looks: list[Look] = []

        def refused() -> bool:
            shown = side.said().nodes.get(node, {})
            looks.append(Look(side.now(), shown["phase"], shown["digest"], side.serving(node)))
            return len(looks) > 5 and side.said().halted

        side.seen(refused, 90)
        known = scenarios.known(side)
        verdict = judge_reported(Reported(node, "native", tuple(looks), (began,), None, known))
    assert any("and 2 runs" in problem for problem in verdict.problems), str(verdict)


def test_a_node_that_keeps_its_parts_on_a_full_disk_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "hoarding"):
        side.until("it serves again", lambda: side.serving(node), 60)
        verdict = judge_full_disk(interruptions.full_disk(side, node))
    assert any("were left on the full disk" in problem for problem in verdict.problems)


@pytest.mark.parametrize("fault", ["power lost", "agent killed"])
def test_a_node_that_fetches_again_what_is_complete_is_red(side: NativeSide, fault: str) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "distrustful"):
        side.until("it serves again", lambda: side.serving(node), 60)
        defective = replace(side, defect="distrustful")
        if fault == "power lost":
            verdict = judge_staged_reset(interruptions.staged_reset(defective, node))
        else:
            verdict = judge_killed_agent(interruptions.killed_agent(defective, node))
    assert any("was fetched again" in problem for problem in verdict.problems), str(verdict)


def test_a_killed_agent_that_begins_a_fetch_anew_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "wasteful"):
        side.until("it serves again", lambda: side.serving(node), 60)
        found = interruptions.killed_agent(replace(side, defect="wasteful"), node)
    assert any("of the fetch are gone" in problem for problem in judge_killed_agent(found).problems)


def test_a_node_that_heeds_no_later_wish_is_red(side: NativeSide) -> None:
    node = side.nodes[0]
    scenarios.settle(side, BETTER)
    with side.with_defect(node, "stubborn"), pytest.MonkeyPatch.context() as patch:
        side.until("it serves again", lambda: side.serving(node), 60)
        patch.setattr(scenarios, "ROLLOUT_SECONDS", 60.0)
        missed, _ = interruptions.missed_update(side, node)
    verdict = judge_missed_update(missed)
    assert any(f"{BETTER} serves in the end" in problem for problem in verdict.problems)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [(regions.good_version, "samples are needed"), (regions.region_cut_off, "was cut off")],
    ids=["confirmed by nobody", "cut off"],
)
def test_an_operator_that_waits_for_no_canary_region_is_red(
    side: NativeSide, scenario: Callable[[NativeSide], regions.Found], words: str
) -> None:
    scenarios.settle(side, BETTER)
    side.site.start_operator("impatient")
    try:
        side.want(BETTER)
        side.until("the operator works", lambda: side.said().complete, 90)
        rollout, _ = scenario(side)
    finally:
        side.site.start_operator()
    verdict = judge_regions(rollout)
    assert any(words in problem for problem in verdict.problems), str(verdict)


@pytest.mark.parametrize("defect", ["hasty", "lingering", "trusting"])
def test_an_operator_with_a_defect_is_red(side: NativeSide, defect: str) -> None:
    scenarios.settle(side, BETTER)
    side.site.start_operator(defect)
    try:
        if defect == "hasty":
            tag = scenarios.fresh(side)
            began = side.now()
            scenarios.settle(side, tag)
            verdict = judge_canary(scenarios.canary_of(side, tag, began))
            assert any("had ended" in problem for problem in verdict.problems), str(verdict)
        elif defect == "lingering":
            side.want(BETTER)
            side.until("the operator works", lambda: side.said().complete, 90)
            missed, _ = interruptions.missed_update(side, side.nodes[0])
            verdict = judge_missed_update(missed)
            problems = verdict.problems
            assert any("was still asked for" in problem for problem in problems), str(verdict)
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("edge_lab.oracles.models.cloud.SILENT_SECONDS", 8.0)
                _, reported = scenarios.rollback(side, side.nodes[0], reset=False)
                verdict = judge_reported(reported)
            assert any("still says" in problem for problem in verdict.problems), str(verdict)
    finally:
        side.site.start_operator()
