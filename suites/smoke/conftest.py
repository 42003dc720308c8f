"""What the smoke suite shares: one plain pod on each node, placed there by the scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fixtures.lab import TimeLimit
from fixtures.outcomes import eventually
from lab.kubectl import KubectlError, pod_ready
from lab.workload import NAMESPACE
from lab.workload.manifests import IMAGE

if TYPE_CHECKING:
    from lab.running import Lab

POD_SECONDS = 240.0
"""For a pod whose image is there, on an emulated node; Kubernetes' own aim is 5 s."""


def smoke_pod(node: str) -> str:
    """The name of the suite's pod on a node."""
    return f"smoke-{node}"


@pytest.fixture(scope="module")
def smoke_pods(lab: Lab, time_limit: TimeLimit) -> Iterator[dict[str, str]]:
    """By node, the name of a running pod that the scheduler has bound to it."""
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
    lab.kubectl.apply(manifests, time_limit(60))

    def ready(pod: str) -> bool:
        found = lab.kubectl.find("pod", pod, "-n", NAMESPACE, deadline=time_limit(60))
        return found is not None and pod_ready(found)

    try:
        for pod in pods.values():
            eventually(
                f"pod {pod} is Ready",
                partial(ready, pod),
                time_limit(POD_SECONDS),
                transient=(KubectlError,),
            )
        yield pods
    finally:
        lab.kubectl.delete(
            "pod", "-l", "app=smoke", "-n", NAMESPACE, deadline=time_limit(120), now=True
        )
