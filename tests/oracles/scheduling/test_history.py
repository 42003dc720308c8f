"""What happened to a pod, from the events of a watch."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.history import PodHistory, history_of
from edge_lab.oracles.scheduling.preemption import PodEvent


def event(
    node: str = "edge-arm", phase: str = "Running", restarts: int = 0, kind: str = "MODIFIED"
) -> PodEvent:
    pod: dict[str, Any] = {
        "metadata": {"name": "one"},
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": "main", "restartCount": restarts}],
        },
    }
    return PodEvent(1, kind, pod)


STARTED = (event("", "Pending", kind="ADDED"), event(phase="Pending"), event())
LEAVING = PodEvent(2, "MODIFIED", {"metadata": {"name": "one", "deletionTimestamp": "now"}})


def test_a_pod_that_started_once_has_a_history_without_problems() -> None:
    history = history_of(STARTED)
    assert history == PodHistory(nodes=("edge-arm",))
    assert history.problems("one", "edge-arm") == ()


@pytest.mark.parametrize(
    ("then", "seen"),
    [
        (event("edge-riscv"), PodHistory(nodes=("edge-arm", "edge-riscv"))),
        (event(restarts=2), PodHistory(nodes=("edge-arm",), restarts=2)),
        (event(phase="Failed"), PodHistory(nodes=("edge-arm",), ended="Failed")),
        (LEAVING, PodHistory(nodes=("edge-arm",), removed=True)),
        (event(kind="DELETED"), PodHistory(nodes=("edge-arm",), removed=True)),
    ],
)
def test_what_must_not_happen_to_a_pod_is_seen_even_if_it_is_over(
    then: PodEvent, seen: PodHistory
) -> None:
    history = history_of((*STARTED, then, event()))
    assert history == seen
    assert len(history.problems("one", "edge-arm")) == 1


def test_a_pod_that_was_not_seen_has_no_history() -> None:
    with pytest.raises(LabError):
        history_of(())
