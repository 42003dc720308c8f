"""What the recorder makes of a cluster's and a node's words."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.evidence.recording import NodeSeen, PodSeen
from edge_lab.observe.recorder import Recorder, watch_events
from edge_lab.topology import Topology

NODE = "edge-arm"


def node_object(ready: str) -> dict[str, Any]:
    return {
        "metadata": {"name": NODE},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def pod_object(uid: str = "u1", restarts: int = 0, **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "sampler", "namespace": "edge-lab", "uid": uid, **meta},
        "spec": {"nodeName": NODE},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "sampler", "restartCount": restarts}],
        },
    }


@dataclass
class FakeKubectl:
    """Lists what it is given, and watches a file that a test appends to."""

    folder: Path
    listed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: threading.Event = field(default_factory=threading.Event)
    """Reads wait for it: an API server that takes its time."""

    def raw(self, path: str, deadline: Deadline) -> str:
        self.answers.wait(deadline.remaining)
        return "ok"

    def items(self, *what: str, deadline: Deadline) -> list[dict[str, Any]]:
        return self.listed.get(what[0], [])

    def watch(self, *what: str) -> subprocess.Popen[str]:
        file = self.folder / what[0]
        file.touch()
        command = ["tail", "-n", "+1", "-f", "-s", "0.05", str(file)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def tell(self, kind: str, event: str, item: dict[str, Any]) -> None:
        with (self.folder / kind).open("a") as file:
            file.write(json.dumps({"type": event, "object": item}) + "\n")


class FakeWorkload:
    """A collector that cannot be asked."""

    def sampler_statuses(self, deadline: Deadline) -> dict[str, Any]:
        return {}

    def collected(self, deadline: Deadline) -> Any:
        raise LabError("the collector does not answer")


class FakeMachine:
    """A node whose loop is a few lines of shell."""

    name = NODE

    def __init__(self, silent: int) -> None:
        """So many times it will not answer."""
        self.silent = silent
        self.asked = 0

    def answers(self) -> bool:
        self.asked += 1
        return self.asked > self.silent

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        status = json.dumps({"devices": {"boiler": {"waiting": 1, "sampled": 9}}})
        loop = (
            f"echo B boot-1; echo C c1 container edge-lab sampler u1; echo 'S {status}'; "
            "while :; do echo L c1; sleep 0.05; done"
        )
        return subprocess.Popen(["bash", "-c", loop], stdout=subprocess.PIPE)


@pytest.fixture
def at_once() -> bool:
    """Whether the API server answers at once, and not only when a test lets it."""
    return True


@pytest.fixture
def kubectl(tmp_path: Path, at_once: bool) -> FakeKubectl:
    listed = {"nodes": [node_object("True")], "pods": [pod_object()]}
    fake = FakeKubectl(tmp_path, listed)
    if at_once:
        fake.answers.set()
    return fake


@pytest.fixture
def silent() -> int:
    return 0


@pytest.fixture
def machine(silent: int) -> FakeMachine:
    return FakeMachine(silent)


@pytest.fixture
def recorder(
    kubectl: FakeKubectl, machine: FakeMachine, default_topology: Topology, tmp_path: Path
) -> Iterator[Recorder]:
    lab: Any = SimpleNamespace(
        topology=default_topology,
        kubectl=kubectl,
        workload=FakeWorkload(),
        machine=lambda name: machine,
        run=SimpleNamespace(logs=tmp_path),
        stack_name="kubernetes+openyurt",
    )
    with Recorder(lab, (NODE,)) as running:
        yield running


def seen(recorder: Recorder, what: str, probe: Any) -> None:
    Deadline.after(20).wait_for(what, probe, every=0.02, watch=recorder.check)


def begin(kubectl: FakeKubectl) -> None:
    kubectl.tell("nodes", "ADDED", node_object("True"))
    kubectl.tell("pods", "ADDED", pod_object())


def test_the_baseline_is_there_when_all_has_been_seen(
    recorder: Recorder, kubectl: FakeKubectl
) -> None:
    begin(kubectl)
    recorder.wait_baseline(Deadline.after(20))
    (sampler,) = recorder.pods(NODE)
    assert sampler.ready
    (containers,) = recorder.containers(NODE)
    assert containers.running == ("c1",)


def test_without_a_watch_that_brings_something_there_is_no_baseline(recorder: Recorder) -> None:
    with pytest.raises(DeadlineExceeded, match="is watched"):
        recorder.wait_baseline(Deadline.after(1.5))


@pytest.mark.parametrize("at_once", [False])
def test_without_an_answer_of_the_api_server_there_is_no_baseline(
    kubectl: FakeKubectl, recorder: Recorder
) -> None:
    begin(kubectl)
    with pytest.raises(DeadlineExceeded, match="is watched"):
        recorder.wait_baseline(Deadline.after(1.5))
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
    with (kubectl.folder / "nodes").open("a") as file:
        file.write("not an event\n")
    with pytest.raises(LabError, match="gone blind"):
        seen(recorder, "trouble", lambda: False)
    with pytest.raises(LabError, match="gone blind"):
        recorder.recording()


def test_a_line_that_is_broken_off_is_no_event() -> None:
    whole = json.dumps({"type": "ADDED", "object": {}}) + "\n"
    assert list(watch_events([whole, whole[:20]])) == [("ADDED", {})]
    with pytest.raises(LabError, match="no event"):
        list(watch_events(["{}\n"]))
