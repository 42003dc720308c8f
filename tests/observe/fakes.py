"""A cluster and a node that a recorder can watch without a machine."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from edge_lab.cluster.watch import Event, Watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.observe.recorder import Recorder

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
class QueueFeed:
    """What comes out of a queue; None is its end."""

    queue: SimpleQueue[Event | None]

    def __iter__(self) -> Iterator[Event]:
        while event := self.queue.get():
            yield event

    def sever(self) -> None:
        self.queue.put(None)

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class FakeKubectl:
    """Lists what it is given, and watches what a test tells."""

    listed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: threading.Event = field(default_factory=threading.Event)
    """Reads wait for it: an API server that takes its time."""

    def raw(self, path: str, deadline: Deadline) -> str:
        self.answers.wait(deadline.remaining)
        return "ok"

    def items(self, *what: str, deadline: Deadline) -> list[dict[str, Any]]:
        return self.listed.get(what[0], [])

    told: defaultdict[str, SimpleQueue[Event | None]] = field(
        default_factory=lambda: defaultdict(SimpleQueue)
    )

    def watch(self, *what: str) -> Watch:
        return Watch(lambda: QueueFeed(self.told[what[0]]))

    def tell(self, kind: str, event: str, document: dict[str, Any]) -> None:
        self.told[kind].put((event, document))


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


def seen(recorder: Recorder, what: str, probe: Any) -> None:
    Deadline.after(20).wait_for(what, probe, every=0.02, watch=recorder.check)


def begin(kubectl: FakeKubectl) -> None:
    kubectl.tell("nodes", "ADDED", node_object("True"))
    kubectl.tell("pods", "ADDED", pod_object())
