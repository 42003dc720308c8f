"""Shared fixtures of the smoke suite: one plain pod on each node, placed by the scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.fixtures.lab import TimeLimit
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


def smoke_pod(node: str) -> str:
    """The name of the suite's pod on a node."""
    return f"smoke-{node}"


@pytest.fixture(scope="module")
def smoke_pods(lab: Lab, time_limit: TimeLimit) -> Iterator[dict[str, str]]:
    """By node, the name of a running pod that the scheduler bound to it."""
    pods = {node.name: smoke_pod(node.name) for node in lab.topology.nodes}
    manifests = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": NAMESPACE, "labels": {"app": "smoke"}},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node},
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {
                        "name": "smoke",
                        "image": IMAGE,
                        "imagePullPolicy": "Never",
                        "command": ["/bin/sh", "-c", "echo smoke on $(uname -m); sleep 86400"],
                    }
                ],
            },
        }
        for node, pod in pods.items()
    ]
    with running_pods(lab, manifests, "smoke", time_limit):
        yield pods
