"""Reads a node's memory once, or repeatedly while a test injects faults."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_lab.cluster.objects import condition
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import NodeMemorySeen, PressureSeen
from edge_lab.measuring.watcher import Ended
from edge_lab.observe.memory import script
from edge_lab.observe.memory.files import parse_snapshot
from edge_lab.observe.memory.parts import node_memory, owners
from edge_lab.provisioning.cri import CriRuntime, cri_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LOOK_EVERY = 5
"""Seconds between two readings of a node; each starts a few processes there."""
ASK_EVERY = 2.0
"""Seconds between two queries of the API server."""
AGAIN_EVERY = 2.0
"""Seconds until an unreachable node is retried."""
CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 15.0
TAINT = "node.kubernetes.io/memory-pressure"


def look_at_memory(lab: Lab, node: str, deadline: Deadline) -> NodeMemorySeen:
    """A node's memory now, including the proportional set sizes of processes.

    Raises:
        LabError: the output of the node is incomplete.
    """
    text = (
        lab.machines[node].run(script.snapshot(_cri(lab, node)) + script.PROCESSES, deadline).stdout
    )
    return _memory_of(lab, node, text)


def _cri(lab: Lab, node: str) -> CriRuntime:
    return cri_of(lab.topology.node(node))


def _memory_of(lab: Lab, node: str, text: str) -> NodeMemorySeen:
    spec = lab.topology.node(node)
    owned = owners(lab.platform, lab.topology, spec)
    return node_memory(parse_snapshot(text), node, spec.memory, owned)


@dataclass(frozen=True)
class MemoryWatcher:
    """Yields a node's memory every few seconds; nothing while the node is unreachable."""

    lab: Lab
    node: str
    every_s: int = LOOK_EVERY

    @property
    def name(self) -> str:
        return f"memory of {self.node}"

    def watch(self, ended: Ended) -> Iterator[NodeMemorySeen | None]:
        machine = self.lab.machines[self.node]
        while not ended.is_set():
            stream = self._connected() if machine.answers() else None
            if stream is not None:
                with _guarded(stream, ended):
                    yield from self._follow(stream)
            yield None
            ended.wait(AGAIN_EVERY)

    def _connected(self) -> subprocess.Popen[bytes] | None:
        loop = script.loop(_cri(self.lab, self.node), self.every_s)
        try:
            return self.lab.machines[self.node].stream(loop, Deadline.scaled(CONNECT_SECONDS))
        except LabError:
            return None  # it has just become unreachable

    def _follow(self, stream: subprocess.Popen[bytes]) -> Iterator[NodeMemorySeen | None]:
        assert stream.stdout is not None
        lines: list[str] = []
        for raw in stream.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line != script.END:
                lines.append(line)
                continue
            yield self._look("\n".join(lines))
            lines = []

    def _look(self, text: str) -> NodeMemorySeen | None:
        """None for an incomplete reading: a node without memory cannot start a process."""
        try:
            return _memory_of(self.lab, self.node, text)
        except LabError:
            return None


@contextlib.contextmanager
def _guarded(stream: subprocess.Popen[bytes], ended: Ended) -> Iterator[None]:
    """Ends the stream with the block, and when the watch ends: a read may hang."""
    done = threading.Event()

    def guard() -> None:
        while not done.wait(ASK_EVERY / 4):
            if ended.is_set():
                stream.kill()
                return

    thread = threading.Thread(target=guard, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        stream.kill()
        stream.wait()
        if stream.stdout is not None:
            stream.stdout.close()


@dataclass(frozen=True)
class PressureWatcher:
    """Yields the API server's view of memory pressure on a node."""

    lab: Lab
    node: str

    @property
    def name(self) -> str:
        return f"memory pressure of {self.node}"

    def watch(self, ended: Ended) -> Iterator[PressureSeen | None]:
        while not ended.is_set():
            yield self._look()
            ended.wait(ASK_EVERY)

    def _look(self) -> PressureSeen | None:
        try:
            item = self.lab.kubectl.get_json(
                "node", self.node, deadline=Deadline.scaled(ANSWER_SECONDS)
            )
        except LabError:
            return None  # the API server is unavailable
        return pressure_of(item)


def pressure_of(item: dict[str, Any]) -> PressureSeen:
    """The memory pressure by a Node object."""
    taints = item.get("spec", {}).get("taints") or []
    return PressureSeen(
        time=time.time_ns(),
        node=item["metadata"]["name"],
        condition=condition(item, "MemoryPressure"),
        tainted=any(taint.get("key") == TAINT for taint in taints),
        ready=condition(item, "Ready"),
    )
