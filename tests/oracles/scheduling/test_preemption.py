"""A victim that goes in order passes; each thing that it can be denied is found by itself."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import (
    NEVER,
    PREEMPTED,
    PodEvent,
    judge_never,
    judge_preemption,
    judge_staying,
)

SECOND = 1_000_000_000
SIGTERM_EXIT_CODE, GRACE = 33, 30


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
    event(12, grace=0, phase="Running", **REASON, **ended(SIGTERM_EXIT_CODE)),
    event(12.5, "DELETED", grace=0, **REASON, **ended(SIGTERM_EXIT_CODE)),
]


def judged(urgent: list[PodEvent], victim: list[PodEvent]) -> Any:
    return judge_preemption(urgent, victim, grace_s=GRACE, exit_code=SIGTERM_EXIT_CODE)


def test_a_victim_that_goes_in_order_passes() -> None:
    found = judged(URGENT, VICTIM)
    assert found.passed, str(found)
    assert (found.running_after_s, found.gone_after_s) == (8.0, 2.5)
    assert (found.grace_s, found.exit_code) == (GRACE, SIGTERM_EXIT_CODE)


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param(VICTIM[:1], id="stays"),
        pytest.param([*VICTIM[:2], event(10.2, grace=5, **REASON), *VICTIM[3:]], id="no grace"),
        pytest.param(
            [VICTIM[0], event(10.2, grace=GRACE), event(12, "DELETED", **ended(SIGTERM_EXIT_CODE))],
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


REFUSED = "FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu."
NAMED = f"{REFUSED} preemption: 0/1 nodes are available: 1 Preemption is {NEVER}."
WAITING = event(10, "ADDED", phase="Pending")


def bound_to(node: str) -> PodEvent:
    return PodEvent(11 * SECOND, "MODIFIED", {**WAITING.pod, "spec": {"nodeName": node}})


def test_a_pod_that_may_preempt_no_other_and_waits_passes() -> None:
    assert judge_never([WAITING], VICTIM[:1], [NAMED]) == ()


@pytest.mark.parametrize(
    ("waiting", "staying", "said"),
    [
        pytest.param([WAITING], VICTIM[:1], [REFUSED], id="refused before victims are chosen"),
        pytest.param([WAITING], VICTIM[:1], [f"Other: {NEVER}"], id="said by somebody else"),
        pytest.param([WAITING], VICTIM[:3], [NAMED], id="preempts all the same"),
        pytest.param([WAITING, bound_to("edge-arm")], VICTIM[:1], [NAMED], id="bound"),
    ],
)
def test_a_pod_that_may_preempt_no_other_and_does_is_found(
    waiting: list[PodEvent], staying: list[PodEvent], said: list[str]
) -> None:
    assert len(judge_never(waiting, staying, said)) == 1


def test_a_pod_that_must_wait_and_was_not_seen_is_no_evidence() -> None:
    with pytest.raises(LabError):
        judge_never([], VICTIM[:1], [NAMED])
    with pytest.raises(LabError):
        judge_never([WAITING], [], [NAMED])
