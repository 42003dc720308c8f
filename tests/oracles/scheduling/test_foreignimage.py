"""The verdict on a pod whose image is for another architecture."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.foreignimage import judge_foreign_image, refused, waiting_messages
from edge_lab.oracles.scheduling.preemption import PodEvent

IMAGE = "edge-lab.local/foreign:1"
REFUSED = f'ErrImageNeverPull: Container image "{IMAGE}" is not present with pull policy of Never'


def seen(*statuses: dict[str, Any]) -> list[PodEvent]:
    pods: list[dict[str, Any]] = [{"status": {}}]
    pods += [{"status": {"containerStatuses": [status]}} for status in statuses]
    return [PodEvent(number, "MODIFIED", pod) for number, pod in enumerate(pods)]


def waiting(reason: str, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}, "restartCount": restarts, **more}


def test_an_image_that_is_refused_passes() -> None:
    found = judge_foreign_image(seen(waiting("ErrImageNeverPull")), [REFUSED], IMAGE)
    assert found.passed
    assert found.waiting == "ErrImageNeverPull"
    assert found.named_by == (REFUSED,)


def test_a_crash_loop_is_found() -> None:
    ended = {"terminated": {"reason": "StartError", "exitCode": 128}}
    loop = waiting("CrashLoopBackOff", restarts=2, lastState=ended)
    found = judge_foreign_image(seen(loop), [REFUSED], IMAGE)
    assert len(found.problems) == 2


def test_a_container_that_runs_is_found() -> None:
    found = judge_foreign_image(seen({"state": {"running": {}}}), [REFUSED], IMAGE)
    assert not found.passed


@pytest.mark.parametrize(
    "message",
    [
        f'Failed: Failed to pull image "{IMAGE}": no match for platform in manifest',
        f'InspectFailed: Failed to inspect image "{IMAGE}": rpc error',
        f'ImagePullBackOff: Back-off pulling image "{IMAGE}"',
    ],
)
def test_each_reason_of_the_kubelet_is_a_refusal(message: str) -> None:
    assert refused([message], IMAGE) == (message,)


@pytest.mark.parametrize(
    "reason", ["FailedMount", "FailedScheduling", "FailedCreatePodSandBox", "ErrImagePullOther"]
)
def test_a_reason_that_only_begins_like_a_refusal_is_none(reason: str) -> None:
    message = f'{reason}: image volume "{IMAGE}" cannot be mounted'
    assert refused([message], IMAGE) == ()
    assert not judge_foreign_image(seen(waiting("ContainerCreating")), [message], IMAGE).passed


@pytest.mark.parametrize("events", [[], ["Scheduled: x"], ["Failed: some other image"]])
def test_a_refusal_that_does_not_name_the_image_is_found(events: list[str]) -> None:
    assert not judge_foreign_image(seen(waiting("ErrImageNeverPull")), events, IMAGE).passed


def test_a_pod_of_which_nothing_was_reported_is_no_evidence() -> None:
    with pytest.raises(LabError, match="no evidence"):
        judge_foreign_image(seen(), [REFUSED], IMAGE)


def test_a_status_may_refuse_the_image_where_there_are_no_events() -> None:
    reason, _, message = REFUSED.partition(": ")
    state = {"waiting": {"reason": reason, "message": message}}
    status = {"state": state, "restartCount": 0}
    pod = {"status": {"containerStatuses": [status, {"state": {"running": {}}}]}}
    assert waiting_messages(pod) == (REFUSED,)
    assert waiting_messages({"status": {}}) == ()
    assert judge_foreign_image(seen(status), waiting_messages(pod), IMAGE).passed
