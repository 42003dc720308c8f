"""What the recorder makes of a cluster's and a node's words."""

from __future__ import annotations

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.evidence.recording import NodeSeen, PodSeen
from edge_lab.observe.recorder import Recorder
from tests.observe.fakes import NODE, FakeKubectl, FakeMachine, begin, node_object, pod_object, seen


def test_the_baseline_is_there_when_all_has_been_seen(
    recorder: Recorder, kubectl: FakeKubectl
) -> None:
    begin(kubectl)
    recorder.wait_baseline(Deadline.after(20))
    (sampler,) = recorder.pods(NODE)
    assert sampler.ready
    (containers,) = recorder.containers(NODE)
    assert containers.running == ("c1",)


IN_VAIN = 0.4
"""Seconds to wait for what does not come: twenty looks."""


def test_without_a_watch_that_brings_something_there_is_no_baseline(recorder: Recorder) -> None:
    with pytest.raises(DeadlineExceeded, match="is watched"):
        recorder.wait_baseline(Deadline.after(IN_VAIN))


@pytest.mark.parametrize("at_once", [False])
def test_without_an_answer_of_the_api_server_there_is_no_baseline(
    kubectl: FakeKubectl, recorder: Recorder
) -> None:
    begin(kubectl)
    with pytest.raises(DeadlineExceeded, match="is watched"):
        recorder.wait_baseline(Deadline.after(IN_VAIN))
    kubectl.answers.set()
    recorder.wait_baseline(Deadline.after(20))


@pytest.mark.parametrize("silent", [3])
def test_a_node_that_does_not_answer_is_asked_again(
    kubectl: FakeKubectl, machine: FakeMachine, recorder: Recorder
) -> None:
    begin(kubectl)
    recorder.wait_baseline(Deadline.after(20))
    assert machine.asked > 3


def test_a_node_that_is_lost_and_comes_back_is_written_down_once_each(
    recorder: Recorder, kubectl: FakeKubectl
) -> None:
    begin(kubectl)
    recorder.wait_baseline(Deadline.after(20))
    for ready in ("Unknown", "Unknown", "True"):
        kubectl.tell("nodes", "MODIFIED", node_object(ready))
    seen(recorder, "node is back", lambda: len(nodes(recorder)) == 3)
    assert [each.ready for each in nodes(recorder)] == ["True", "Unknown", "True"]


def nodes(recorder: Recorder) -> list[NodeSeen]:
    return [each for each in recorder.recording().node_seen if each.node == NODE]


def test_pods_are_told_apart_by_uid_and_followed_to_their_end(
    recorder: Recorder, kubectl: FakeKubectl
) -> None:
    begin(kubectl)
    kubectl.tell("pods", "MODIFIED", pod_object(restarts=2))
    kubectl.tell("pods", "MODIFIED", pod_object(restarts=2, deletionTimestamp="now"))
    kubectl.tell("pods", "DELETED", pod_object(restarts=2, deletionTimestamp="now"))
    kubectl.tell("pods", "ADDED", pod_object("u2"))

    def other() -> bool:
        return recorder.newest(PodSeen, "edge-lab", "sampler", "u2") is not None

    seen(recorder, "the other pod", other)
    first = [each for each in recorder.recording().pod_seen if each.uid == "u1"]
    assert [(each.restarts, each.deleting, each.gone) for each in first] == [
        (0, False, False),
        (2, False, False),
        (2, True, False),
        (2, True, True),
    ]


def test_a_recorder_that_has_gone_blind_says_so(recorder: Recorder, kubectl: FakeKubectl) -> None:
    begin(kubectl)
    recorder.wait_baseline(Deadline.after(20))
    kubectl.tell("nodes", "MODIFIED", {"kind": "no node"})
    with pytest.raises(LabError, match="can no longer observe"):
        seen(recorder, "trouble", lambda: False)
    with pytest.raises(LabError, match="can no longer observe"):
        recorder.recording()
