"""Rollouts from region to region: evidence that passes, and planted defects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.oracles.models.evidence import Halt, RegionRollout, Turn
from edge_lab.oracles.models.regions import judge_regions
from tests.oracles.models.scenes import NEW, OLD, red

A = Turn("a", 10.0, 30.0, "promoted")
B = Turn("b", 56.0, 70.0, "promoted")
C = Turn("c", 72.0, 75.0, "promoted")
NOT_TOLD = replace(B, told=None, ended=None, outcome="")
GOOD = RegionRollout(
    runtime="native",
    tag=NEW,
    previous=OLD,
    samples=24,
    region="north",
    canary=(A,),
    others=(B, C),
    steps={"a": tuple(map(float, range(120)))},
    ended=90.0,
    serving=dict.fromkeys("abc", NEW),
    phase="Complete",
    clock_s=1.0,
)
ROLLED_BACK = replace(A, outcome="rolled-back", reason="Worse")
HALTED = replace(
    GOOD,
    canary=(ROLLED_BACK,),
    others=(NOT_TOLD,),
    serving=dict.fromkeys("ab", OLD),
    phase="Halted",
    halt=Halt("Worse", 40.0),
)
CUT_OFF = replace(
    GOOD,
    canary=(replace(A, told=72.0, ended=80.0),),
    others=(replace(B, told=105.0, ended=110.0),),
    serving=dict.fromkeys("ab", NEW),
    ended=130.0,
    offline=(20.0, 70.0),
)


@pytest.mark.parametrize("rollout", [GOOD, HALTED, CUT_OFF], ids=["good", "halted", "cut off"])
def test_a_rollout_behind_a_canary_region_passes(rollout: RegionRollout) -> None:
    verdict = judge_regions(rollout)
    assert verdict.passed, str(verdict)


def test_the_wait_for_the_canary_region_is_measured() -> None:
    (found,) = judge_regions(GOOD).measures
    assert found.value == 26.0
    (found,) = judge_regions(HALTED).measures
    assert found.value is None


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        (replace(GOOD, others=()), "no evidence"),
        (replace(GOOD, canary=()), "no evidence"),
        (replace(GOOD, steps={}), "no evidence"),
        (replace(GOOD, others=(replace(B, told=40.0), C)), "24 samples are needed"),
        (replace(GOOD, others=(B, replace(C, told=31.0))), "24 samples are needed"),
        (replace(GOOD, canary=(replace(A, ended=None),)), "had not promoted"),
        (replace(GOOD, serving={**GOOD.serving, "c": OLD}), "serves on c"),
        (replace(GOOD, serving={}), "nothing serves on a"),
        (replace(HALTED, serving={}), "nothing serves on a"),
        (replace(GOOD, phase="Progressing"), "the cloud says"),
        (replace(HALTED, others=(B,)), "b were told"),
        (replace(HALTED, canary=(A,)), "no evidence"),
        (replace(HALTED, canary=(replace(ROLLED_BACK, reason="Asked"),)), "the reason is"),
        (replace(HALTED, canary=(replace(ROLLED_BACK, ended=50.0),)), "no evidence"),
        (replace(HALTED, ended=45.0), "no evidence"),
        (replace(HALTED, serving={"a": OLD, "b": NEW}), "serves on b"),
        (replace(HALTED, phase="Complete"), "not 'Halted'"),
        (replace(CUT_OFF, offline=(60.0, 70.0)), "no evidence"),
        (replace(CUT_OFF, others=(replace(B, told=50.0),)), "was cut off"),
        (replace(CUT_OFF, canary=(replace(A, told=60.0),)), "no evidence"),
    ],
)
def test_a_rollout_that_does_not_wait_is_red(rollout: RegionRollout, words: str) -> None:
    red(judge_regions(rollout), words)
