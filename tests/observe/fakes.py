"""A cluster and a node that a recorder can watch without a machine."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


def seen(recorder: Recorder, what: str, probe: Any) -> None:
    Deadline.after(20).wait_for(what, probe, every=0.02, watch=recorder.check)


def begin(kubectl: FakeKubectl) -> None:
    kubectl.tell("nodes", "ADDED", node_object("True"))
    kubectl.tell("pods", "ADDED", pod_object())
