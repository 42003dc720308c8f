"""A victim that goes in order passes; each thing that it can be denied is found by itself."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import (
    PREEMPTED,
    PodEvent,
    judge_preemption,
    judge_staying,
)

SECOND = 1_000_000_000
GOODBYE, GRACE = 33, 30


def event(
    after: float, kind: str = "MODIFIED", *, grace: int | None = None, **status: Any
) -> PodEvent:
    meta: dict[str, Any] = {"name": "one"}
    if grace is not None:
        meta |= {"deletionTimestamp": "2026-11-29T01:00:00Z", "deletionGracePeriodSeconds": grace}
    return PodEvent(round(after * SECOND), kind, {"metadata": meta, "status": status})


def ended(code: int) -> Any:
    return {"containerStatuses": [{"state": {"terminated": {"exitCode": code}}}]}


REASON: Any = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": PREEMPTED}]}
URGENT = [event(10, "ADDED", phase="Pending"), event(18, phase="Running")]
VICTIM = [
    event(1, "ADDED", phase="Running"),
    event(10.1, phase="Running", **REASON),
    event(10.2, grace=GRACE, phase="Running", **REASON),
    event(12, grace=0, phase="Running", **REASON, **ended(GOODBYE)),
    event(12.5, "DELETED", grace=0, **REASON, **ended(GOODBYE)),
]


def judged(urgent: list[PodEvent], victim: list[PodEvent]) -> Any:
    return judge_preemption(urgent, victim, grace_s=GRACE, exit_code=GOODBYE)


def test_a_victim_that_goes_in_order_passes() -> None:
    found = judged(URGENT, VICTIM)
    assert found.passed, str(found)
    assert (found.running_after_s, found.gone_after_s) == (8.0, 2.5)
    assert (found.grace_s, found.exit_code) == (GRACE, GOODBYE)


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param(VICTIM[:1], id="stays"),
        pytest.param([*VICTIM[:2], event(10.2, grace=5, **REASON), *VICTIM[3:]], id="no grace"),
        pytest.param(
            [VICTIM[0], event(10.2, grace=GRACE), event(12, "DELETED", **ended(GOODBYE))],
            id="removed by somebody else",
        ),
        pytest.param([*VICTIM[:3], event(40, grace=0, **ended(137))], id="killed"),
        pytest.param(VICTIM[:3], id="not seen to end"),
    ],
)
def test_what_a_victim_is_denied_is_found(victim: list[PodEvent]) -> None:
    found = judged(URGENT, victim)
    assert len(found.problems) == 1, str(found)


def test_an_urgent_pod_that_does_not_run_is_found() -> None:
    found = judged(URGENT[:1], VICTIM)
    assert not found.passed
    assert found.running_after_s is None


def test_who_was_not_seen_is_no_evidence() -> None:
    with pytest.raises(LabError):
        judged([], VICTIM)
    with pytest.raises(LabError):
        judged(URGENT, [])
    with pytest.raises(LabError):
        judge_staying([])


def test_who_must_stay_and_has_to_go_is_found() -> None:
    assert judge_staying(VICTIM[:2]) == ()
    assert judge_staying(VICTIM)
    assert judge_staying([VICTIM[0], event(2, "DELETED")])
