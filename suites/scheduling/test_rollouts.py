"""A Deployment's rolling update on an edge node: its duration, and what stays available."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.rollout import Demand, Rollout, judge_rollout
from suites.pods import POD_SECONDS
from suites.scheduling.objects import on, pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Rolling update")]

DEMAND = Demand(replicas=3, max_unavailable=0, max_surge=1)
ROLLING = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxUnavailable": DEMAND.max_unavailable, "maxSurge": DEMAND.max_surge},
}
RECREATE = {"type": "Recreate"}
GONE_SECONDS = 180.0


def deployment(name: str, node: str, strategy: dict[str, Any]) -> dict[str, Any]:
    template = pod(name, {**on(node), "terminationGracePeriodSeconds": 1})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": DEMAND.replicas,
            "strategy": strategy,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
        },
    }


@contextlib.contextmanager
def deployed(lab: Lab, manifest: dict[str, Any], time_limit: TimeLimit) -> Iterator[None]:
    """The Deployment exists while the block runs; its pods are gone at the end."""
    name = manifest["metadata"]["name"]
    try:
        lab.kubectl.apply(manifest, time_limit(60))
        yield
    finally:
        lab.kubectl.delete("deployment", name, "-n", NAMESPACE, deadline=time_limit(60))
        eventually(
            f"the pods of {name} are gone",
            lambda: (
                not lab.kubectl.items(
                    "pods", "-n", NAMESPACE, "-l", f"app={name}", deadline=time_limit(60)
                )
            ),
            time_limit(GONE_SECONDS),
            every=1.0,
        )


def is_rolled_out(lab: Lab, name: str, time_limit: TimeLimit) -> bool:
    """As `kubectl rollout status` decides it."""
    found = lab.kubectl.get_json("deployment", name, "-n", NAMESPACE, deadline=time_limit(60))
    status = found.get("status", {})
    return bool(
        status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("updatedReplicas") == DEMAND.replicas
        and status.get("availableReplicas") == DEMAND.replicas
        and status.get("replicas") == DEMAND.replicas
    )


def rolled_out(
    lab: Lab, node: LabNode, strategy: dict[str, Any], watch: PodWatch, time_limit: TimeLimit
) -> Rollout:
    """Deploys, changes the pods' template, and judges the update."""
    name = f"rollout-{node.name}"

    def complete(what: str) -> None:
        eventually(
            f"the {what} of {name} is complete",
            lambda: is_rolled_out(lab, name, time_limit),
            time_limit(POD_SECONDS * DEMAND.replicas),
            every=1.0,
        )

    def verdict() -> Rollout:
        return judge_rollout(watch.events_of(name), changed, DEMAND)

    with deployed(lab, deployment(name, node.name, strategy), time_limit):
        complete("first rollout")
        changed = time.time_ns()
        annotations = {"edge-lab.local/revision": "2"}
        lab.kubectl.patch(
            *("deployment", name, "-n", NAMESPACE),
            patch={"spec": {"template": {"metadata": {"annotations": annotations}}}},
            deadline=time_limit(60),
        )
        complete("update")
        with contextlib.suppress(AssertionError):  # then the verdict says that it is not complete
            eventually(
                "the watch has seen the end of the old pods",
                lambda: verdict().seconds is not None,
                time_limit(POD_SECONDS),
                every=1.0,
            )
        found = verdict()
    allure.attach(str(found), "rolling update", allure.attachment_type.TEXT)
    return found


@pytest.mark.scenario("rolling update")
@allure.title("A rolling update on {edge_node} keeps all replicas available")
def test_a_rolling_update_keeps_replicas_available(
    lab: Lab, edge_node: LabNode, pod_watch: PodWatch, measure: Measuring, time_limit: TimeLimit
) -> None:
    found = rolled_out(lab, edge_node, ROLLING, pod_watch, time_limit)
    measure(
        f"rolling update of {DEMAND.replicas} pods",
        found.seconds,
        unit="s",
        better="lower",
        node=edge_node.name,
        reason="" if found.seconds is not None else "it is not complete",
    )
    assert found.passed, str(found)


@allure.title("An update that deletes all pods first is detected (control)")
def test_an_update_that_recreates_is_found(
    lab: Lab,
    pod_watch: PodWatch,
    time_limit: TimeLimit,
    lab_node: Callable[[str], LabNode],
) -> None:
    node = lab_node(lab.topology.edges[0].name)
    found = rolled_out(lab, node, RECREATE, pod_watch, time_limit)
    assert not found.passed, str(found)
    assert found.least_available == 0
