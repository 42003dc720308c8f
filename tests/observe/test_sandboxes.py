"""Pods of the workload looked at from outside, their memory, and what tables call their runtime."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons import get_platform, load_topology
from edge_lab.addons.workload.manifests import CONFIG_MOUNT
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.data import LABS
from edge_lab.observe.memory.newpods import NewPodMemory
from edge_lab.observe.sandboxes import (
    known_collector,
    known_sampler,
    look_from_outside,
    runtime_column,
    sandboxed_samplers,
)
from edge_lab.oracles.sandbox import SandboxClass
from tests.oracles.sandbox.seen import runc_outside, sandbox_outside

STACK = "kubernetes+kubelet"
UID = "11111111-2222-3333-4444-{:012d}"


class FakeMachine:
    def __init__(self, *said: str) -> None:
        self.asked: list[str] = []
        self._said = iter(said)

    def run(self, command: str, deadline: Deadline) -> SimpleNamespace:
        self.asked.append(command)
        return SimpleNamespace(stdout=next(self._said))


def lab_of(name: str, machine: FakeMachine | None = None) -> Any:
    topology = load_topology(LABS / f"{name}.yaml")
    platform = get_platform(STACK, topology)

    def get_json(kind: str, pod: str, *words: str, deadline: Deadline) -> dict[str, Any]:
        return {"metadata": {"uid": f"uid-of-{pod}"}}

    return SimpleNamespace(
        topology=topology,
        platform=platform,
        stack=platform.stack,
        stack_name=STACK,
        kubectl=SimpleNamespace(get_json=get_json),
        machine=lambda node: machine,
        machines={"edge-arm": machine},
    )


def test_samplers_must_be_sandboxed_where_the_node_says_so_and_nowhere_else() -> None:
    assert sandboxed_samplers(lab_of("sandboxed-workload")) == ("edge-arm",)
    assert sandboxed_samplers(lab_of("sandbox")) == ()
    assert sandboxed_samplers(lab_of("default")) == ()


def test_a_node_that_sandboxes_all_pods_has_a_column_of_its_own() -> None:
    lab = lab_of("sandboxed-workload")
    assert runtime_column(lab, "edge-arm") == f"{STACK} (gvisor)"
    for node in ("server", "", "nobody"):
        assert runtime_column(lab, node) == STACK
    assert runtime_column(lab_of("default"), "edge-arm") == STACK


def test_a_node_with_another_container_runtime_has_a_column_of_its_own() -> None:
    lab = lab_of("cri-o")
    assert runtime_column(lab, "edge-arm") == f"{STACK} (cri-o)"
    assert runtime_column(lab, "edge-riscv") == STACK


def test_a_sampler_and_the_collector_are_looked_at_by_their_own_words() -> None:
    view = sandbox_outside().model_copy(update={"program": "edge"})
    other = runc_outside().model_copy(update={"program": "edge-hostile"})
    machine = FakeMachine(view.model_dump_json(), other.model_dump_json())
    lab = lab_of("sandboxed-workload", machine)
    limit = Deadline.after(5)
    sampler, collector = known_sampler(lab, "edge-arm", limit), known_collector(lab, limit)
    assert look_from_outside(lab, sampler, limit).of_class is SandboxClass.SANDBOXED
    assert look_from_outside(lab, collector, limit).of_class is SandboxClass.NOT_SANDBOXED
    assert f"uid-of-sampler-edge-arm {CONFIG_MOUNT}/config.json edge " in machine.asked[0]
    assert collector.node == "server"
    assert "/var/lib/edge-lab/collector edge " in machine.asked[1]


# -- memory ------------------------------------------------------------------------------------


def snapshot(pods: dict[int, int], namespace: str = "edge-lab") -> str:
    """What a node prints that has these pods, by number, with so much memory."""
    meminfo = [
        f"/proc/meminfo:{name}: 1000 kB"
        for name in ("MemTotal", "MemFree", "MemAvailable", "Cached", "AnonPages", "Slab")
    ]
    lines = [*meminfo, "/proc/vmstat:oom_kill 0", "/sys/fs/cgroup/memory.stat:anon 1"]
    for number, used in pods.items():
        uid = UID.format(number)
        folder = f"/sys/fs/cgroup/kubepods/pod{uid}"
        lines += [
            f"{folder}/memory.stat:anon {used - 1}",
            f"{folder}/memory.stat:shmem 1",
            f"{folder}/memory.stat:file 777",
            f"{folder}/inner/memory.stat:anon {used - 1}",
        ]
        path = f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/c{number}/config.json"
        for key, value in (("name", f"p{number}"), ("namespace", namespace), ("uid", uid)):
            lines.append(f'{path}:"io.kubernetes.cri.sandbox-{key}":"{value}"')
    return "\n".join(lines) + "\n"


def taken(*said: str) -> Iterator[NewPodMemory]:
    memory = NewPodMemory(lab_of("sandbox", FakeMachine(*said)), "edge-arm", Deadline.after)
    while True:
        with memory.around("runc")():
            pass
        yield memory


def test_the_memory_of_a_pod_is_that_of_the_one_that_has_come() -> None:
    looks = taken(
        snapshot({1: 500}), snapshot({1: 900, 2: 100}), snapshot({2: 50}), snapshot({2: 7, 3: 200})
    )
    assert next(looks).found == {"runc": [100]}
    assert next(looks).found == {"runc": [100, 200]}


@pytest.mark.parametrize(
    "after", [snapshot({1: 500}), snapshot({1: 5, 2: 6, 3: 7}), snapshot({1: 1, 2: 2}, "other")]
)
def test_no_pod_or_two_or_one_of_others_are_no_evidence(after: str) -> None:
    with pytest.raises(LabError, match="no evidence"):
        next(taken(snapshot({1: 500}), after))


def test_a_pod_that_fails_has_no_memory() -> None:
    memory = NewPodMemory(
        lab_of("sandbox", FakeMachine(snapshot({1: 500}))), "edge-arm", Deadline.after
    )
    with pytest.raises(ZeroDivisionError), memory.around("runc")():
        raise ZeroDivisionError
    assert memory.found == {}
