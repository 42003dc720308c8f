"""The lab is ready when each pool has its nodes, and each of them runs a pod."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons.pools.addon import Pools
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.stacks import get_stack
from edge_lab.topology import Topology

MEMBERS: dict[str, tuple[str, ...]] = {"north": ("edge-arm",), "south": ("edge-riscv",)}


@dataclass
class AnsweringKubectl:
    """One answer for each query, the last one for all later ones."""

    members: list[dict[str, tuple[str, ...]]]
    ready: list[int]
    asked: list[str] = field(default_factory=list)

    def items(self, kind: str, *args: str, deadline: Deadline) -> list[dict[str, Any]]:
        self.asked.append(kind)
        if kind == "nodepools":
            pools = self.members.pop(0) if len(self.members) > 1 else self.members[0]
            return [
                {"metadata": {"name": pool}, "status": {"nodes": list(nodes)} if nodes else {}}
                for pool, nodes in pools.items()
            ]
        ready = self.ready.pop(0) if len(self.ready) > 1 else self.ready[0]
        return [{"status": {"readyReplicas": 1}}] * ready + [{}]


def cluster_of(topology: Topology, kubectl: AnsweringKubectl, seconds: float, stack: str) -> Any:
    return SimpleNamespace(
        access=SimpleNamespace(kubectl=kubectl, watch=lambda: None),
        stack=get_stack(stack),
        deadline=Deadline.after(seconds),
        topology=topology,
    )


def test_it_waits_for_nodes_in_pools_and_for_their_pods(topology: Topology) -> None:
    kubectl = AnsweringKubectl([dict.fromkeys(MEMBERS, ()), MEMBERS], [1, 1, 2])
    Pools().wait_ready(cluster_of(topology, kubectl, 60, "kubernetes+openyurt"))
    assert kubectl.asked.count("nodepools") == 3


@pytest.mark.parametrize(
    ("members", "ready"),
    [
        ({"north": ("edge-arm", "edge-riscv"), "south": ()}, 2),
        ({"north": ("edge-arm",)}, 2),
        (MEMBERS, 1),
        (MEMBERS, 0),
    ],
)
def test_less_is_not_ready(
    topology: Topology, members: dict[str, tuple[str, ...]], ready: int
) -> None:
    kubectl = AnsweringKubectl([members], [ready])
    with pytest.raises(DeadlineExceeded, match="runs the workload of its pool"):
        Pools().wait_ready(cluster_of(topology, kubectl, 0.3, "kubernetes+openyurt"))


def test_without_openyurt_there_is_nothing_to_wait_for(topology: Topology) -> None:
    kubectl = AnsweringKubectl([MEMBERS], [0])
    Pools().wait_ready(cluster_of(topology, kubectl, 0.3, "kubernetes+kubelet"))
    assert not kubectl.asked
