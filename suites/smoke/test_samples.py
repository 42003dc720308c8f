"""All samples of the devices arrive at the collector, once and unaltered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import allure

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.evidence.samples import SampleObservation
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import enough, eventually
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.samples import judge_samples

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Samples")]

ENOUGH = 5
"""Minimum number of arrived samples to judge."""

ARRIVAL_SECONDS = 120.0


def observed(
    workload: Workload, node: str, device: str, time_limit: TimeLimit
) -> SampleObservation:
    """An observation with `ENOUGH` samples in it."""

    def look() -> SampleObservation | None:
        found = workload.observe(node, device)
        return found if len(found.collected) >= ENOUGH else None

    return eventually(
        f"{ENOUGH} samples of {device} from {node}",
        look,
        time_limit(ARRIVAL_SECONDS),
        every=2.0,
        transient=(KubectlError,),
    )


@allure.story("Device to collector")
@allure.title(
    "Each sample of {edge_node} arrives exactly once, with the value that the device showed"
)
def test_each_sample_arrives_once_and_unaltered(
    lab: Lab, edge_node: LabNode, workload: Workload, time_limit: TimeLimit
) -> None:
    workload.must_sample(edge_node.spec)
    for device in workload.devices_of(edge_node.spec):
        verdict = judge_samples(observed(workload, edge_node.name, device, time_limit))
        allure.attach(str(verdict), f"verdict on {device}", allure.attachment_type.TEXT)
        assert verdict.passed, str(verdict)


@allure.story("Device to collector")
@allure.title("The verdict on altered evidence of {edge_node} is a failure (control)")
def test_the_verdict_fails_on_evidence_that_was_tampered_with(
    lab: Lab, edge_node: LabNode, workload: Workload, time_limit: TimeLimit
) -> None:
    workload.must_sample(edge_node.spec)
    for device in workload.devices_of(edge_node.spec):
        honest = observed(workload, edge_node.name, device, time_limit)
        assert judge_samples(honest).passed
        first, *rest = enough(honest.collected, f"samples of {device}", least=2)
        name = min(first.values)
        altered = first.model_copy(update={"values": {**first.values, name: -1}})
        assert judge_samples(replace(honest, collected=[altered, *rest])).wrong
        assert judge_samples(replace(honest, collected=rest)).lost
        assert judge_samples(replace(honest, collected=[first, first, *rest])).repeated
        assert not judge_samples(replace(honest, collected=[])).passed
