"""The workload's client, with a kubectl that was recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from edge_lab.addons import AddOnContext, Cluster, Stage
from edge_lab.addons.workload import WorkloadClient, parse_arrived, parse_collected
from edge_lab.addons.workload.addon import Workload
from edge_lab.addons.workload.records import parse_status
from edge_lab.cluster.kubectl import ExecResult, Kubectl, KubectlError
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.images import ImageArchive
from edge_lab.stacks import ClusterAccess, StackContext, get_stack
from edge_lab.stacks.readiness import apply_manifests
from edge_lab.topology import Topology
from tests.keys import keys_made_once

STATUS = {
    "node": "edge-arm",
    "time": 2,
    "started": 1,
    "devices": {
        "boiler": {
            "sampled": 35,
            "acknowledged": 17,
            "waiting": 18,
            "sent": 18,
            "last_seq": 596,
            "read_errors": 0,
            "connected": True,
            "last_error": "",
        }
    },
    "send_errors": 5,
    "last_error": "connection refused",
}
SAMPLE = {
    "node": "edge-arm",
    "device": "press",
    "number": 34,
    "seq": 605,
    "sampled": 10,
    "values": {"force": 0, "oil_temperature": 29.7},
    "received": 20,
}
ARRIVED = {
    "node": "edge-arm",
    "device": "press",
    "arrived": 35,
    "first": 1,
    "last": 35,
    "repeated": 2,
    "conflicts": 0,
}


class FakeKubectl:
    """Answers from a recording, and notes what it was asked."""

    apply_patiently = Kubectl.apply_patiently

    def __init__(self, account_after: int = 0, busy: int = 0) -> None:
        self.applied: list[list[dict[str, Any]]] = []
        self.asked: list[str] = []
        self._account_after = account_after
        self._busy = busy

    def apply(self, manifest: Sequence[dict[str, Any]], deadline: Deadline) -> None:
        self._busy -= 1
        if self._busy >= 0:
            raise KubectlError("kubectl apply: no answer within 60 s", stderr="")
        self.applied.append(list(manifest))

    def find(self, kind: str, name: str, *_: str, deadline: Deadline) -> dict[str, Any] | None:
        if kind == "pod":
            self.asked.append(name)
            ready = {"type": "Ready", "status": "True"}
            return {"metadata": {"name": name, "uid": name}, "status": {"conditions": [ready]}}
        self._account_after -= 1
        return {"kind": "ServiceAccount"} if self._account_after < 0 else None

    def raw(self, path: str, deadline: Deadline) -> str:
        self.asked.append(path)
        return json.dumps([ARRIVED]) if path.endswith("counts") else json.dumps(SAMPLE) + "\n"

    def exec(self, pod: str, command: Sequence[str], deadline: Deadline, **_: Any) -> ExecResult:
        self.asked.append(f"{pod}: {' '.join(command)}")
        return ExecResult(0, json.dumps(STATUS), "")


class Node:
    def __init__(self, content: bytes | None) -> None:
        self.content = content

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        assert path == "/var/lib/edge-lab/sampler/status.json"
        if self.content is None:
            raise LabError("no answer")
        return self.content


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(5)


def client(kubectl: FakeKubectl, topology: Topology, **nodes: Node) -> WorkloadClient:
    named = {name.replace("_", "-"): node for name, node in nodes.items()}
    return WorkloadClient(cast("Kubectl", kubectl), topology, named)


def platform_context(topology: Topology, folder: Path) -> AddOnContext:
    given = StackContext(
        topology, {}, ImageArchive(folder), keys_made_once(folder / "keys", topology), 1
    )
    return AddOnContext(given, get_stack("kubernetes+openyurt"))


def test_pods_are_applied_once_their_service_account_is_there(
    default_topology: Topology, tmp_path: Path
) -> None:
    context = platform_context(default_topology, tmp_path)
    assert Workload().manifests(context, Stage.API_SERVER_UP) == ()
    objects = Workload().manifests(context, Stage.NODES_READY)
    kubectl = FakeKubectl(account_after=1, busy=1)
    access = ClusterAccess(cast("Kubectl", kubectl), {}, default_topology)
    apply_manifests(access, objects, Deadline.after(60))
    first, second = kubectl.applied
    assert {each["kind"] for each in first} == {"Namespace", "ConfigMap", "Secret"}
    assert {each["kind"] for each in second} == {"Pod"}


def test_without_a_service_account_the_wait_ends_and_says_for_what(
    default_topology: Topology, tmp_path: Path
) -> None:
    objects = Workload().manifests(platform_context(default_topology, tmp_path), Stage.NODES_READY)
    access = ClusterAccess(cast("Kubectl", FakeKubectl(account_after=1000)), {}, default_topology)
    with pytest.raises(DeadlineExceeded, match="default service account of namespace edge-lab"):
        apply_manifests(access, objects, Deadline.after(0.1))


def test_all_pods_are_waited_for(default_topology: Topology, deadline: Deadline) -> None:
    kubectl = FakeKubectl()
    access = ClusterAccess(cast("Kubectl", kubectl), {}, default_topology)
    Workload().wait_ready(Cluster(access, get_stack("kubernetes+openyurt"), deadline))
    assert kubectl.asked == ["collector", "sampler-edge-arm", "sampler-edge-riscv"]


def test_a_sampler_is_asked_past_the_cluster_where_that_can_be(
    default_topology: Topology, deadline: Deadline
) -> None:
    kubectl = FakeKubectl()
    node = Node(json.dumps(STATUS).encode())
    status = client(kubectl, default_topology, edge_arm=node).sampler_status("edge-arm", deadline)
    assert status.devices["boiler"].waiting == 18
    assert kubectl.asked == []


def test_otherwise_it_is_asked_by_exec(default_topology: Topology, deadline: Deadline) -> None:
    kubectl = FakeKubectl()
    status = client(kubectl, default_topology).sampler_status("edge-riscv", deadline)
    assert status.send_errors == 5
    assert kubectl.asked == ["sampler-edge-riscv: /edge dump sampler"]


def test_a_sampler_that_does_not_answer_is_left_out(
    default_topology: Topology, deadline: Deadline
) -> None:
    good, dead = Node(json.dumps(STATUS).encode()), Node(None)
    found = client(
        FakeKubectl(), default_topology, edge_arm=good, edge_riscv=dead
    ).sampler_statuses(deadline)
    assert set(found) == {"edge-arm"}


def test_samples_come_through_the_api_server(
    default_topology: Topology, deadline: Deadline
) -> None:
    kubectl = FakeKubectl()
    (sample,) = client(kubectl, default_topology).collected(deadline, node="edge-arm", after=3)
    assert (sample.number, sample.values) == (34, {"force": 0, "oil_temperature": 29.7})
    (arrived,) = client(kubectl, default_topology).arrived(deadline)
    assert (arrived.arrived, arrived.repeated) == (35, 2)
    assert kubectl.asked[0] == (
        "/api/v1/namespaces/edge-lab/pods/collector:9100/proxy/"
        "samples?node=edge-arm&device=&after=3"
    )


@pytest.mark.parametrize("text", ["nonsense", "{}", '{"node": 3}', "[1]", '{"node":"n"}\n{'])
def test_what_is_no_answer_of_the_workload_is_a_lab_error(text: str) -> None:
    for parse in (parse_status, parse_collected, parse_arrived):
        with pytest.raises(LabError):
            parse(text)


def test_no_samples_are_no_error() -> None:
    assert parse_collected("") == ()
