"""What a loss of power may leave on a node's disk: empty files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import allure

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.stacks.node import CNI_RESULTS

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Nodes"), allure.feature("Loss of power")]

BACK_SECONDS = 240.0
"""Seconds from the boot until all pods run."""
REPORTED = "journalctl --boot --quiet --grep 'cached result: decoding' | grep -q ."
EMPTY = f"find {CNI_RESULTS} -type f -exec truncate -s 0 {{}} + && sync"
FILES = f"find {CNI_RESULTS} -type f 2>/dev/null | wc -l"


def pods_started(lab: Lab, node: str, since: float, time_limit: TimeLimit) -> dict[str, bool]:
    """By pod of the node that has an address of its own, whether all its containers were started
    after `since`, in seconds since 1970, and run."""
    chosen = f"--field-selector=spec.nodeName={node}"
    pods = lab.kubectl.items("pods", "-A", chosen, deadline=time_limit(60))
    return {
        pod["metadata"]["name"]: all(
            _started(status) > since for status in pod["status"].get("containerStatuses") or [{}]
        )
        for pod in pods
        if not pod["spec"].get("hostNetwork")
    }


def _started(status: dict[str, Any]) -> float:
    found = status.get("state", {}).get("running", {}).get("startedAt")
    return datetime.fromisoformat(found).timestamp() if found else 0.0


def empty_results(node: LabNode) -> None:
    """At least one pod has a result."""
    assert int(node.output(FILES)) > 0
    node.output(EMPTY)


def lose_power(node: LabNode, faults: FaultEngine) -> float:
    """When, in seconds since 1970."""
    since = time.time()
    with faults.inflict(Reboot(node=node.name)):
        pass  # healed when it is up again
    return since


def until_all_started(lab: Lab, node: str, since: float, time_limit: TimeLimit) -> None:
    def all_started() -> bool:
        found = pods_started(lab, node, since, time_limit)
        return bool(found) and all(found.values())

    eventually(
        f"all pods of {node} run again",
        all_started,
        time_limit(BACK_SECONDS),
        every=2.0,
        transient=(KubectlError,),
    )


@allure.title("{edge_node} starts its pods after a loss of power that emptied their CNI results")
def test_pods_run_again_without_their_cni_results(
    lab: Lab, edge_node: LabNode, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    """Without a flush, a result that is younger than some seconds is an empty file then."""
    empty_results(edge_node)
    since = lose_power(edge_node, faults)
    until_all_started(lab, edge_node.name, since, time_limit)
    assert not edge_node.succeeds(REPORTED)


@contextlib.contextmanager
def kept_results(node: LabNode) -> Iterator[None]:
    """While the block runs, nothing can remove the results that there are; afterwards they are
    removed."""
    try:
        node.output(f"find {CNI_RESULTS} -type f -exec chattr +i {{}} + && sync")
        yield
    finally:
        node.output(f"find {CNI_RESULTS} -type f -exec chattr -i {{}} +")
        node.output(f"find {CNI_RESULTS} -type f -empty -delete")


@allure.title("If the empty results stay, {edge_node} does not start those pods (control)")
def test_pods_do_not_run_again_with_empty_cni_results(
    lab: Lab, edge_node: LabNode, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    """Known since 2023: https://github.com/containernetworking/cni/issues/1055,
    https://github.com/containerd/containerd/issues/8197."""
    empty_results(edge_node)
    with kept_results(edge_node):
        since = lose_power(edge_node, faults)
        eventually(
            f"{edge_node} reports that a pod's network cannot be destroyed",
            lambda: edge_node.succeeds(REPORTED),
            time_limit(BACK_SECONDS),
            every=2.0,
        )
        assert not all(pods_started(lab, edge_node.name, since, time_limit).values())
    until_all_started(lab, edge_node.name, since, time_limit)
