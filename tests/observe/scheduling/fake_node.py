"""A cluster of one node that starts a pod as soon as it is created, on a clock of its own."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from edge_lab.cluster.watch import Event, Watch
from edge_lab.core.deadline import Deadline
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.topology import Arch, Node

NODE = Node(name="edge-arm", arch=Arch.AARCH64, role="edge")
SECOND = 1_000_000_000


class FakeNode:
    """The kubectl and the machine of a lab in one. `ahead` is its clock before the host's, ns."""

    name = NODE.name

    def __init__(
        self, ahead: int = 3 * SECOND, silent: tuple[str, ...] = (), restarts: int = 0
    ) -> None:
        self._ahead = ahead
        self._silent = silent
        self._restarts = restarts
        """Words whose lines the journal does not have."""
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._lines: list[str] = []
        self._states: dict[str, str] = {}
        self.pods: list[str] = []
        self.deleted = 0
        self.at_once = 0
        """The most pods that were there at one time."""
        self._events.put(("ADDED", _pod("collector", "edge-server", "Running")))

    # -- the cluster ---------------------------------------------------------------------------

    def watch(self, *args: str) -> Watch:
        return Watch(lambda: _Feed(self._events))

    def apply(self, manifests: list[dict[str, Any]], deadline: Deadline) -> None:
        for manifest in manifests:
            self.pods.append(manifest["metadata"]["name"])
            self.at_once = max(self.at_once, len(self.pods))
            threading.Thread(target=self._start, args=(manifest,), daemon=True).start()

    def delete(self, *args: str, deadline: Deadline, now: bool = False) -> None:
        self.deleted += len(self.pods)
        self.pods.clear()

    def events(self, pod: str, deadline: Deadline, *, namespace: str) -> list[str]:
        return []

    def _start(self, manifest: Mapping[str, Any]) -> None:
        name, bound = manifest["metadata"]["name"], manifest["spec"].get("nodeName", "")
        self._events.put(("ADDED", _pod(name, bound)))
        _tick()
        self._events.put(("MODIFIED", _pod(name, NODE.name)))
        for said in (
            f"RunPodSandbox for &PodSandboxMetadata{{Name:{name},Uid:{name},Namespace:x,}}",
            f"RunPodSandbox for &PodSandboxMetadata{{Name:{name},Uid:{name},Namespace:x,}} returns "
            f'sandbox id \\"{_id(name)}\\"',
            f'CreateContainer within sandbox \\"{_id(name)}\\" for &ContainerMetadata{{Name:main,}}'
            f' returns container id \\"{_id(name)}\\"',
        ):
            _tick()
            self._say(said)
        _tick()
        self._states[_id(name)] = json.dumps({"StartedAt": self._now()})
        _tick()
        self._events.put(
            ("MODIFIED", _pod(name, NODE.name, "Running", ready=True, restarts=self._restarts))
        )

    # -- the machine ---------------------------------------------------------------------------

    def _now(self) -> int:
        return time.time_ns() + self._ahead

    def _say(self, said: str) -> None:
        if not any(word in said for word in self._silent):
            now = self._now()
            date = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            stamp = f'time="{date}.{now % SECOND:09d}Z" level=info msg="{said}"'
            self._lines.append(f"{now / SECOND} {NODE.name} containerd[1]: {stamp}")

    def run(self, command: str, deadline: Deadline) -> SimpleNamespace:
        if command.startswith("journalctl"):
            return SimpleNamespace(stdout="\n".join(self._lines))
        states = [f"{container} {state}" for container, state in self._states.items()]
        return SimpleNamespace(stdout="\n".join(states))

    def clock(self, lab: object, node: str, deadline: Deadline) -> ClockBounds:
        """In place of `node_clock`."""
        return ClockBounds(self._ahead - 1_000_000, self._ahead + 1_000_000)

    def lab(self) -> Any:
        return SimpleNamespace(
            kubectl=self,
            machine=lambda name: self,
            state=SimpleNamespace(accelerator={NODE.name: "tcg"}),
            topology=SimpleNamespace(addons=()),
        )


class _Feed:
    def __init__(self, events: queue.Queue[Event | None]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Event]:
        while (event := self._events.get()) is not None:
            yield event

    def sever(self) -> None:
        self._events.put(None)

    def close(self) -> None:
        pass


def _tick() -> None:
    """So long that two moments in a row are not one."""
    time.sleep(0.002)


def _id(name: str) -> str:
    return name.replace("-", "")


def _pod(
    name: str, node: str, phase: str = "Pending", ready: bool = False, restarts: int = 0
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {
                    "name": "main",
                    "containerID": f"containerd://{_id(name)}",
                    "restartCount": restarts,
                }
            ],
        },
    }
