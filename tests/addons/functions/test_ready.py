"""When the add-on works: warm pods, consumers on each node, and leaves at the server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons.base import Cluster
from edge_lab.addons.functions.addon import Functions
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.stacks import get_stack
from edge_lab.topology import Topology

READY: dict[str, Any] = {
    "metadata": {"uid": "1"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
ANSWERS = {"backlog": '{"warm": {}}\n', "leafz": "2\n"}


def cluster(topology: Topology, answers: dict[str, str], asked: list[str]) -> Cluster:
    def run(command: str, *_: Any, **__: Any) -> Any:
        asked.append(command)
        (said,) = (answer for what, answer in answers.items() if what in command)
        return SimpleNamespace(returncode=0 if said else 1, stdout=said)

    machine = SimpleNamespace(run=run)
    kubectl = SimpleNamespace(
        find=lambda *_, **__: READY, get_json=lambda *_, **__: READY, events=lambda *_, **__: []
    )
    access: Any = SimpleNamespace(
        topology=topology,
        machines={node.name: machine for node in topology.nodes},
        kubectl=kubectl,
        watch=lambda: None,
    )
    return Cluster(access, get_stack("kubernetes+openyurt"), Deadline.after(0.3))


def test_it_is_ready_when_all_nodes_have_consumers_and_are_connected(topology: Topology) -> None:
    asked: list[str] = []
    Functions().wait_ready(cluster(topology, ANSWERS, asked))
    assert sum("--way warm,process,pod" in command for command in asked) == 2
    assert "127.0.0.1:8222/leafz" in asked[-1]


@pytest.mark.parametrize("lacking", [{"backlog": ""}, {"leafz": "1\n"}])
def test_it_is_not_ready_without(topology: Topology, lacking: dict[str, str]) -> None:
    with pytest.raises(DeadlineExceeded):
        Functions().wait_ready(cluster(topology, {**ANSWERS, **lacking}, []))
