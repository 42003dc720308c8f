"""What the autonomy suite shares: bystanders, and the cables that part an edge from its cloud."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fixtures.lab import TimeLimit
from fixtures.outcomes import eventually
from lab.kubectl import KubectlError, pod_ready
from lab.workload import NAMESPACE
from suites.autonomy.bystanders import KINDS, LABEL, bystander, pod_name

if TYPE_CHECKING:
    from lab.running import Lab

POD_SECONDS = 240.0


@pytest.fixture(scope="module")
def bystanders(lab: Lab, time_limit: TimeLimit) -> Iterator[None]:
    """The bystanders of each edge node, Ready; removed at the end."""
    nodes = [node.name for node in lab.topology.edges]
    pods = [(kind, node) for node in nodes for kind in KINDS]
    lab.kubectl.apply([bystander(kind, node) for kind, node in pods], time_limit(60))

    def ready(name: str) -> bool:
        found = lab.kubectl.find("pod", name, "-n", NAMESPACE, deadline=time_limit(60))
        return found is not None and pod_ready(found)

    try:
        for kind, node in pods:
            eventually(
                f"pod {pod_name(kind, node)} is Ready",
                partial(ready, pod_name(kind, node)),
                time_limit(POD_SECONDS),
                transient=(KubectlError,),
            )
        yield
    finally:
        lab.kubectl.delete(
            "pod", "-l", f"app={LABEL}", "-n", NAMESPACE, deadline=time_limit(120), now=True
        )
