"""Five minutes without the cloud, on all edge nodes at once: which pods keep running, which are
evicted or deleted by the cloud, and what has recovered afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import sampler_pod
from edge_lab.core.errors import MissingCapability
from edge_lab.evidence.recording import PodSeen, Recording
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut
from edge_lab.faults.records import FaultRecord
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import enough
from edge_lab.observe.watch import Watch
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation, judge_autonomy
from suites.autonomy.bystanders import DELETED, INTOLERANT, pod_name
from suites.autonomy.sandboxes import SamplerSandboxes
from suites.edges import edges, until_evicted, uplink

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Autonomy"),
    allure.feature("Partition"),
]

SCENARIO = "5-minute partition"
PARTITION_SECONDS = 300.0
DELETE_AFTER = 60.0


@dataclass(frozen=True)
class Partition:
    """The partition that all tests here judge."""

    watch: Watch
    verdicts: dict[str, AutonomyVerdict]
    uplinks: dict[str, str]
    sandboxes: SamplerSandboxes

    @property
    def recording(self) -> Recording:
        return self.watch.recording

    def cut(self, node: str) -> FaultRecord:
        """The cut of that node's uplink."""
        cuts = (
            record
            for record in self.recording.faults
            if isinstance(record.fault, Cut) and record.fault.link == self.uplinks[node]
        )
        return enough(cuts, f"cuts of {node}")[0]

    def pod(self, name: str) -> list[PodSeen]:
        """The API server's views of a pod, in the order of time."""
        shown = (seen for seen in self.recording.pod_seen if seen.name == name)
        return enough(shown, f"sights of {name}")

    def runs_until(self, node: str, name: str) -> int:
        """When its containers were last seen running on the node, ns since 1970."""
        here = (
            container
            for container in self.recording.container_seen
            if (container.node, container.pod) == (node, name)
        )
        seen = enough(here, f"sights of {name} on {node}")
        stopped = [container.time for container in seen if not container.running]
        return stopped[-1] if not seen[-1].running and stopped else self.recording.ended


def expectation(node: str) -> Expectation:
    """The sampler keeps running unaffected: it tolerates everything."""
    return Expectation(pods=(f"{NAMESPACE}/{sampler_pod(node)}",), must_detect=True)


@pytest.fixture(scope="module")
def partition(
    lab: Lab,
    bystanders: None,
    autonomy_of: Callable[[str], Autonomy],
    sandboxes_of: Callable[[str], SamplerSandboxes],
    fault_engine: FaultEngine,
    time_limit: TimeLimit,
) -> Partition:
    """Cuts all uplinks for five minutes; a minute after the cut the cloud deletes a pod."""
    autonomy, sandboxes = autonomy_of(SCENARIO), sandboxes_of(SCENARIO)
    cuts = [Cut(link=uplink(lab, node)) for node in edges(lab)]
    with autonomy.watching() as watch, fault_engine.inflict_all(cuts):
        autonomy.hold(DELETE_AFTER)
        for node in edges(lab):
            pod = pod_name(DELETED, node)
            limit = time_limit(60)
            lab.kubectl.request_deletion("pod", pod, "-n", NAMESPACE, deadline=limit)
        autonomy.hold(max(PARTITION_SECONDS, until_evicted(lab)) - DELETE_AFTER)
        sandboxes.look()
    verdicts = {node: autonomy.judge(watch, node, expectation(node)) for node in edges(lab)}
    uplinks = {node: uplink(lab, node) for node in edges(lab)}
    return Partition(watch, verdicts, uplinks, sandboxes)


@allure.title("The workload on {edge_node} keeps running during a five-minute partition")
def test_the_workload_goes_on_and_loses_nothing(edge_node: LabNode, partition: Partition) -> None:
    verdict = partition.verdicts[edge_node.name]
    assert verdict.passed, str(verdict)


@allure.title("Sandboxed samplers are still sandboxed at the end of the partition")
def test_samplers_stay_in_their_sandboxes(partition: Partition) -> None:
    if not partition.sandboxes.nodes:
        raise MissingCapability("no node of this lab has its sampler in a sandbox")
    partition.sandboxes.judge()


@pytest.mark.scenario(SCENARIO)
@allure.title(
    "A pod on {edge_node} without tolerations is evicted on time, and runs until the node "
    "learns of it"
)
def test_a_pod_without_tolerations_is_evicted_and_runs_until_the_node_hears_of_it(
    lab: Lab, edge_node: LabNode, partition: Partition, measure: Measuring
) -> None:
    name = pod_name(INTOLERANT, edge_node.name)
    cut = partition.cut(edge_node.name)
    timing = lab.topology.timing
    deleting = [sight.time for sight in partition.pod(name) if sight.deleting]
    assert deleting, f"{name} was never marked for deletion"
    waited = (deleting[0] - cut.began) / 1e9
    measure("evicted after the cut", waited, unit="s", node=edge_node.name)
    assert waited >= timing.unreachable_toleration, "evicted too early"
    assert cut.heal_began is not None
    assert deleting[0] < cut.heal_began, "evicted only after the heal"
    # The node cannot learn of it, so its pods keep running.
    assert partition.runs_until(edge_node.name, name) >= cut.heal_began
    assert partition.pod(name)[-1].gone, f"{name} still exists"


@allure.title("A pod that tolerates all taints is not evicted from {edge_node}")
def test_a_pod_with_tolerations_is_never_evicted(edge_node: LabNode, partition: Partition) -> None:
    seen = partition.pod(sampler_pod(edge_node.name))
    assert len({sight.uid for sight in seen}) == 1
    assert not any(sight.deleting or sight.gone for sight in seen)


@allure.title("A pod that is deleted while {edge_node} is offline is terminated after the heal")
def test_a_pod_deleted_by_the_cloud_ends_after_the_heal(
    edge_node: LabNode, partition: Partition
) -> None:
    name = pod_name(DELETED, edge_node.name)
    cut = partition.cut(edge_node.name)
    assert cut.heal_began is not None
    assert partition.runs_until(edge_node.name, name) >= cut.heal_began
    assert partition.pod(name)[-1].gone, f"{name} still exists"
    assert partition.runs_until(edge_node.name, name) < partition.recording.ended


@allure.title("The verdict on altered evidence of {edge_node} is a failure (control)")
def test_the_verdict_fails_on_evidence_that_was_tampered_with(
    edge_node: LabNode, partition: Partition
) -> None:
    honest, expect = partition.recording, partition.verdicts[edge_node.name]
    assert expect.passed, str(expect)
    since = partition.watch.since[edge_node.name]
    wanted = replace(expectation(edge_node.name), since=since)

    def judged(**altered: object) -> AutonomyVerdict:
        return judge_autonomy(honest.model_copy(update=altered), edge_node.name, expect=wanted)

    own = [samples for samples in honest.samples if samples.node == edge_node.name]
    loses = [replace(samples, collected=samples.collected[:-20:2]) for samples in own]
    assert judged(samples=tuple(loses)).figures.lost
    assert not judged(samples=()).passed
    never = tuple(
        sight.model_copy(update={"ready": "Unknown"})
        if sight.node == edge_node.name and sight.time > partition.cut(edge_node.name).began
        else sight
        for sight in honest.node_seen
    )
    assert not judged(node_seen=never).passed
    pod = sampler_pod(edge_node.name)
    last = partition.pod(pod)[-1]
    other = last.model_copy(update={"time": honest.ended - 1, "uid": "another"})
    assert judged(pod_seen=(*honest.pod_seen, other)).figures.recreated
    assert not judged(faults=()).passed
