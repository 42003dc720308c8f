"""The two good runs, alterations of them, and the verdicts on them."""

from __future__ import annotations

from typing import Any

from edge_lab.evidence.recording import Recording
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation, judge_autonomy
from tests.oracles.recordings import NODE, cut_and_healed, power_lost

CUT, POWER = cut_and_healed(), power_lost()
REBOOT_MAY = Expectation(may_restart=1, downtime_s=60)


def judged(recording: Recording, **expect: Any) -> AutonomyVerdict:
    return judge_autonomy(recording, NODE, expect=Expectation(**expect))


def altered(recording: Recording, **change: Any) -> Recording:
    return recording.model_copy(update=change)


def says(verdict: AutonomyVerdict, sentence: str) -> None:
    """It failed, with this sentence and no other."""
    assert not verdict.passed, verdict
    assert [problem for problem in verdict.problems if sentence in problem], verdict
    assert len(verdict.problems) == 1, verdict
