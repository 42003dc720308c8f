"""The verdict on a rolling update, from the events of a watch."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import PodEvent
from edge_lab.oracles.scheduling.rollout import REVISION, Demand, Rollout, judge_rollout

CHANGED = 1_000_000_000
DEMAND = Demand(replicas=2, max_unavailable=0, max_surge=1)


def event(
    second: int,
    uid: str,
    *,
    ready: bool = True,
    kind: str = "MODIFIED",
    deleted: bool = False,
    restarts: int = 0,
) -> PodEvent:
    """Of a pod whose revision is the first letter of its uid."""
    metadata: dict[str, Any] = {"uid": uid, "labels": {REVISION: uid[0]}}
    if deleted:
        metadata["deletionTimestamp"] = "now"
    status = {
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "main", "restartCount": restarts}],
    }
    return PodEvent(second * 1_000_000_000, kind, {"metadata": metadata, "status": status})


def replaced(second: int, old: str, new: str) -> list[PodEvent]:
    return [
        event(second, new, ready=False, kind="ADDED"),
        event(second + 1, new),
        event(second + 2, old, deleted=True),
        event(second + 3, old, kind="DELETED"),
    ]


BEFORE = [event(0, "a1"), event(0, "a2")]
UPDATE = [*replaced(2, "a1", "b1"), *replaced(6, "a2", "b2")]


def judged(*events: PodEvent) -> Rollout:
    return judge_rollout([*BEFORE, *events], CHANGED, DEMAND)


def test_an_update_one_by_one_passes() -> None:
    found = judged(*UPDATE)
    assert found.passed, str(found)
    assert (found.seconds, found.least_available, found.most_pods) == (8.0, 2, 3)


def test_an_update_that_deletes_first_is_found() -> None:
    found = judged(event(2, "a1", deleted=True), event(3, "a2", deleted=True), *UPDATE)
    assert found.least_available == 0
    assert not found.passed


def test_an_update_that_is_not_complete_is_found() -> None:
    found = judged(*UPDATE[:-1])
    assert found.seconds is None
    assert not found.passed


def test_too_many_pods_at_once_are_found() -> None:
    found = judged(event(2, "b1", ready=False), event(2, "b2", ready=False), *UPDATE)
    assert found.most_pods == 4
    assert not found.passed


def test_a_restart_is_found() -> None:
    assert not judged(*UPDATE[:-1], event(9, "b2", restarts=1), UPDATE[-1]).passed


@pytest.mark.parametrize("before", [BEFORE[:1], [*BEFORE, event(0, "c1")]])
def test_pods_that_were_not_there_before_are_no_evidence(before: list[PodEvent]) -> None:
    with pytest.raises(LabError, match="no evidence"):
        judge_rollout([*before, *UPDATE], CHANGED, DEMAND)
