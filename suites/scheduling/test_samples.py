"""How long a changed register takes to the collector in the cloud, stage by stage.

Nothing is red because it is late: it is measured, alternating with a delayed uplink, whose delay
must show in the stage that it delays and in no other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload.manifests import sampled_devices
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Impair
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.clock import node_clock
from edge_lab.oracles.samplelatency import SampleStages, sample_stages
from edge_lab.oracles.twinlatency import Latency
from edge_lab.topology import Device
from suites.edges import uplink

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Device to cloud")]

SAMPLES = 40
"""In each window."""
WINDOW_SECONDS = 240.0
DELAY_MS = 2000
ASK_SECONDS = 60.0
Window = Callable[[LabNode, Device], SampleStages]


@pytest.fixture
def window(lab: Lab, time_limit: TimeLimit) -> Window:
    """Waits for new samples of a device on a node; returns the stages of each."""

    def taken(node: LabNode, device: Device) -> SampleStages:
        def newest() -> int:
            found = lab.workload.arrived(time_limit(ASK_SECONDS))
            return max(
                (
                    counts.last
                    for counts in found
                    if (counts.node, counts.device) == (node.name, device.name)
                ),
                default=0,
            )

        server = lab.topology.server.name
        before = [node_clock(lab, name, time_limit(ASK_SECONDS)) for name in (node.name, server)]
        first = newest()
        eventually(
            f"{SAMPLES} samples of {device.name} on {node} have arrived",
            lambda: newest() >= first + SAMPLES,
            time_limit(WINDOW_SECONDS),
            every=1.0,
        )
        after = [node_clock(lab, name, time_limit(ASK_SECONDS)) for name in (node.name, server)]
        samples = lab.workload.collected(
            time_limit(ASK_SECONDS), node=node.name, device=device.name, after=first
        )
        clocks = [early.joined(late) for early, late in zip(before, after, strict=True)]
        return sample_stages(samples, lab.devices[device.name].steps(), *clocks)

    return taken


def first_device(lab: Lab, node: LabNode) -> Device:
    devices = sampled_devices(lab.topology, node.spec)
    if not devices:
        raise MissingCapability(f"{node} samples no device")
    return devices[0]


def median(seconds: tuple[float, ...]) -> float:
    return Latency.of(seconds).p50


@pytest.mark.scenario("device to cloud")
@allure.title("Latency from a device over {edge_node} to the cloud by stage, idle and delayed")
def test_the_latency_of_samples_by_stage(
    lab: Lab, edge_node: LabNode, window: Window, faults: FaultEngine, measure: Measuring
) -> None:
    device = first_device(lab, edge_node)
    delayed = Impair(link=uplink(lab, edge_node.name), direction="tx", delay_ms=DELAY_MS)
    found: dict[str, SampleStages] = {}
    for condition, around in (
        ("idle", contextlib.nullcontext()),
        ("uplink delayed", faults.inflict(delayed)),
    ):
        with around:
            found[condition] = stages = window(edge_node, device)
        evidence = (
            f"{len(stages.read)} samples of {device.name}; clock error"
            f" {stages.read_error * 1000:.0f} and {stages.deliver_error * 1000:.0f} ms"
        )
        for stage in ("read", "deliver", "total"):
            latency = Latency.of(getattr(stages, stage))
            title = f"device to cloud, {condition}, {stage}"
            for figure in latency.measures(title, node=edge_node.name, evidence=evidence):
                measure.add(figure)
    idle, slow = found["idle"], found["uplink delayed"]
    # The planted delay is in the stage that it delays, and not in the one before.
    assert median(slow.deliver) >= median(idle.deliver) + DELAY_MS / 2000
    assert median(slow.read) < median(idle.read) + DELAY_MS / 2000
