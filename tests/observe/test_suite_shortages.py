"""How the suite judges a new pod on a node that runs short of something."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_lab.addons import load_topology
from edge_lab.data import LABS
from edge_lab.faults.kinds import FilesExhausted
from edge_lab.provisioning.cri import cri_of
from edge_lab.topology import Arch, Cri, Node
from suites.memory.memorypods import IDLE, memory_pod
from suites.memory.starts import NewPod, created_under, problems_of
from suites.memory.test_shortages import SHORTAGES, assert_controls
from tests.looks import Looks

NODE = "edge-arm"
STUCK = NewPod(started_s=None, warnings=("FailedCreatePodSandBox: EAGAIN",), after_s=9.0)
LATE = NewPod(started_s=40.0, warnings=(), after_s=0.0)


def test_a_pod_that_starts_when_the_shortage_is_over_is_as_it_should_be() -> None:
    assert problems_of(STUCK, may_start=False) == []
    assert problems_of(LATE, may_start=True) == []
    assert problems_of(replace(STUCK, warnings=()), may_start=False, warns=False) == []


@pytest.mark.parametrize(
    ("pod", "may_start", "what"),
    [
        (LATE, False, "in spite of the shortage"),
        (STUCK, True, "although enough is left"),
        (replace(STUCK, warnings=()), False, "no event"),
        (replace(STUCK, after_s=None), False, "after the heal"),
    ],
)
def test_each_defect_is_named(pod: NewPod, may_start: bool, what: str) -> None:
    (problem,) = problems_of(pod, may_start=may_start)
    assert what in problem


@pytest.mark.parametrize("pod", [STUCK, LATE])
def test_the_controls_of_a_run_are_rejected(pod: NewPod) -> None:
    assert_controls(pod, usual=3.0)


@pytest.mark.parametrize("kind", SHORTAGES)
def test_each_shortage_is_a_fault_of_its_name_that_the_default_lab_can_have(kind: str) -> None:
    topology = load_topology(LABS / "default.yaml")
    for node in topology.edges:
        fault = SHORTAGES[kind].fault(node)
        assert fault.fault == kind
        assert list(fault.objections(topology)) == []


@pytest.mark.parametrize("cri", list(Cri))
def test_the_container_runtime_of_the_node_runs_short_of_files(cri: Cri) -> None:
    node = Node(name=NODE, arch=Arch.AARCH64, role="edge", cri=cri)
    fault = SHORTAGES["files-exhausted"].fault(node)
    assert isinstance(fault, FilesExhausted)
    assert fault.service == cri_of(node).unit


@dataclass
class FakeCluster:
    """A cluster in which a pod runs unless something is short."""

    short: bool = False
    blocks: bool = True
    """No pod starts while something is short."""
    heals: bool = True
    done: list[str] = field(default_factory=list)

    def apply(self, manifests: Any, deadline: Any) -> None:
        self.done.append("create")

    def delete(self, *words: str, deadline: Any, now: bool) -> None:
        self.done.append("delete")

    def find(self, *words: str, deadline: Any) -> dict[str, Any]:
        blocked = self.short and self.blocks
        state: dict[str, Any] = {"waiting" if blocked else "running": {}}
        return {"metadata": {"uid": "1"}, "status": {"containerStatuses": [{"state": state}]}}

    def items(self, *words: str, deadline: Any) -> list[dict[str, str]]:
        assert "--field-selector=type=Warning,involvedObject.uid=1" in words
        return [{"reason": "Failed", "message": "no"}] if self.short and self.blocks else []

    @contextlib.contextmanager
    def shortage(self) -> Iterator[None]:
        self.short = True
        self.done.append("short")
        yield
        self.short = not self.heals
        self.done.append("healed")


def created_on(cluster: FakeCluster) -> NewPod:
    return created_under(
        cast(Any, SimpleNamespace(kubectl=cluster)),
        cluster.shortage(),
        memory_pod("short", NODE, IDLE),
        under_s=1.0,
        after_s=1.0,
        time_limit=lambda _: Looks(),
    )


@pytest.mark.slow(reason="a pod that does not start for a second")
def test_a_pod_is_created_in_the_shortage_and_removed_after_its_end() -> None:
    cluster = FakeCluster()
    pod = created_on(cluster)
    assert cluster.done == ["short", "create", "healed", "delete"]
    assert pod.started_s is None
    assert pod.warnings == ("Failed: no",)
    assert pod.after_s is not None
    assert problems_of(pod, may_start=False) == []


@pytest.mark.slow(reason="a pod that does not start for two seconds")
def test_a_shortage_that_does_not_end_is_told() -> None:
    assert problems_of(created_on(FakeCluster(heals=False)), may_start=False)


def test_a_shortage_that_hinders_nobody_is_told() -> None:
    assert problems_of(created_on(FakeCluster(blocks=False)), may_start=False)
