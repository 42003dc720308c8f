"""Watching a node's memory, and collecting evidence of it, on a lab of a few lines of Python."""

from __future__ import annotations

import shlex
import subprocess
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons import get_platform
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import NodeMemorySeen, PressureSeen
from edge_lab.evidence.recording import Recording
from edge_lab.observe.memory.collecting import MemoryCase, collecting
from edge_lab.observe.memory.looking import MemoryWatcher, PressureWatcher, look_at_memory
from tests.faults.plans import TOPOLOGY
from tests.observe.test_memory import MOMENT, SNAPSHOT, UID
from tests.oracles.memory_evidence import look, pressure

NODE = "edge-arm"


@dataclass
class FakeNode:
    """Says what it is given."""

    reachable: bool = True
    loses_log: bool = False
    log: list[str] = field(default_factory=list)
    streams: int = 0
    out_of_memory: bool = False
    """Some of the processes of a look cannot be started."""

    def answers(self) -> bool:
        return self.reachable

    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        if "MemAvailable:" in command and "kmsg" in command:
            said = shlex.split(command)
            self.log.append(f"1700000000.5 {NODE} edge-lab: {said[said.index('>') - 1]}")
            return SimpleNamespace(stdout=f"clock 1700000000\n{MOMENT}")
        if "journalctl" in command:
            lines = [] if self.loses_log else self.log
            return SimpleNamespace(stdout="\n".join(lines))
        return SimpleNamespace(stdout=SNAPSHOT)

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        self.streams += 1
        if self.out_of_memory:
            return subprocess.Popen(["printf", "%s", "/proc/vmstat:x 1\n.\n"], stdout=-1)
        text = f"{SNAPSHOT}.\n" * 2 + SNAPSHOT[:300]  # the last one is cut off
        return subprocess.Popen(["printf", "%s", text], stdout=subprocess.PIPE)


class FakeKubectl:
    def __init__(self, events: bool = True) -> None:
        self._events = events

    def items(self, kind: str, *more: str, deadline: Deadline) -> list[dict[str, Any]]:
        if kind == "events":
            if not self._events:
                raise LabError("the API server is away")
            return []
        meta = {"namespace": "edge-lab", "name": "sampler", "uid": UID}
        return [{"metadata": meta, "spec": {"containers": []}, "status": {"phase": "Running"}}]

    def get_json(self, *what: str, deadline: Deadline) -> dict[str, Any]:
        raise LabError("the API server is away")


def lab_of(node: FakeNode, kubectl: FakeKubectl | None = None) -> Any:
    return SimpleNamespace(
        machines={NODE: node},
        topology=TOPOLOGY,
        platform=get_platform("kubernetes+openyurt", TOPOLOGY),
        stack_name="kubernetes+openyurt",
        kubectl=kubectl or FakeKubectl(),
    )


def limit(seconds: float) -> Deadline:
    return Deadline.after(60)


def recording(*observed: Any) -> Recording:
    return Recording(began=0, ended=2 * 10**18, runtime="any", nodes=(NODE,), observed=observed)


def test_a_look_has_all_parts() -> None:
    seen = look_at_memory(lab_of(FakeNode()), NODE, Deadline.after(60))
    assert (seen.node, seen.machine_mib, seen.total_mib) == (NODE, 2048, 1000.0)


def test_a_watcher_yields_each_whole_look() -> None:
    ended = threading.Event()
    found: list[NodeMemorySeen | None] = []
    for seen in MemoryWatcher(lab_of(FakeNode()), NODE).watch(ended):
        found.append(seen)
        if seen is None:
            ended.set()
    assert [None if seen is None else seen.total_mib for seen in found] == [1000.0, 1000.0, None]


def test_a_node_out_of_reach_is_watched_on() -> None:
    node, ended = FakeNode(reachable=False), threading.Event()
    for seen in MemoryWatcher(lab_of(node), NODE).watch(ended):
        assert seen is None
        ended.set()
    assert node.streams == 0


def test_a_look_with_holes_is_none_and_the_watch_goes_on() -> None:
    ended = threading.Event()
    found = []
    for seen in MemoryWatcher(lab_of(FakeNode(out_of_memory=True)), NODE).watch(ended):
        found.append(seen)
        if len(found) == 2:
            ended.set()
    assert found == [None, None]


def test_an_api_server_that_is_away_tells_nothing() -> None:
    ended = threading.Event()
    for seen in PressureWatcher(lab_of(FakeNode()), NODE).watch(ended):
        assert seen is None
        ended.set()


def test_evidence_is_from_mark_to_mark_and_of_this_node() -> None:
    node = FakeNode(log=["1699999999.1 edge-arm kernel: old"])
    with collecting(lab_of(node), NODE, limit) as case:
        node.log.append("1700000001.0 edge-arm kernel: something")
    node.log.append("1700000009.0 edge-arm kernel: later")
    other = PressureSeen(time=1, node="server", condition="True", tainted=True, ready="False")
    late = pressure(0, "True", True).model_copy(update={"time": 3 * 10**18})
    seen = (pressure(0, "False", False), other, late, look(0, 900.0))
    evidence = case.evidence(recording(*seen))
    assert len(evidence.kernel_log) == 3
    assert evidence.marks[0] in evidence.kernel_log[0]
    assert evidence.marks[1] in evidence.kernel_log[-1]
    assert evidence.pressure == (seen[0],)
    assert evidence.memory == (seen[3],)
    assert evidence.before.units
    assert [pod.key for pod in evidence.pods_before] == ["edge-lab/sampler"]


def test_a_log_that_was_lost_and_events_that_could_not_be_read_are_no_evidence() -> None:
    with collecting(lab_of(FakeNode(loses_log=True), FakeKubectl(False)), NODE, limit) as case:
        assert case.pods_before
    evidence = case.evidence(recording())
    assert evidence.kernel_log == ()
    assert evidence.events is None


def test_a_case_that_has_not_ended_has_no_evidence() -> None:
    with pytest.raises(LabError):
        MemoryCase.begun(lab_of(FakeNode()), NODE, limit).evidence(recording())
