"""After a restart, a device is read again without help, and samples before and after are correct.

Simulated devices and firmware devices get the same faults.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.twins.status import ONLINE
from edge_lab.addons.workload.manifests import sampling_nodes
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import MissingCapability
from edge_lab.devices.faults import AnyFault, BrownOut, Busy, Hang, Reset, SlowClock
from edge_lab.devices.points import SEQUENCE
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import OnDevice
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.twins import LabTwin
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.samples import judge_samples
from edge_lab.topology import Device

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Devices"), allure.feature("Restarts")]

NOTICE_SECONDS = 180.0
MORE = 5
"""Number of samples after a fault that prove that the device is read again."""

RESTARTS = [Reset(), BrownOut(), Hang()]
by_kind = pytest.mark.parametrize("does", RESTARTS, ids=lambda does: does.kind)


@by_kind
@allure.story("Samples")
@allure.title("{modbus_device} {does}: samplers read it again, and no sample is altered")
def test_samples_go_on_after_a_restart_and_are_true(
    lab: Lab,
    modbus_device: Device,
    does: AnyFault,
    faults: FaultEngine,
    workload: Workload,
    time_limit: TimeLimit,
) -> None:
    nodes = readers(lab, workload, modbus_device)
    with faults.inflict(OnDevice(device=modbus_device.name, does=does)):
        pass
    are_sampling(nodes, workload, modbus_device, time_limit)
    are_true(nodes, workload, modbus_device)


@pytest.mark.parametrize(
    "does", [SlowClock(rate=0.5), Busy(connections=8)], ids=lambda does: does.kind
)
@allure.story("Samples")
@allure.title("{modbus_device} {does}: samplers keep reading it, and no sample is altered")
def test_samples_go_on_while_a_device_is_slow_or_full(
    lab: Lab,
    modbus_device: Device,
    does: AnyFault,
    faults: FaultEngine,
    workload: Workload,
    time_limit: TimeLimit,
) -> None:
    nodes = readers(lab, workload, modbus_device)
    with faults.inflict(OnDevice(device=modbus_device.name, does=does)):
        are_sampling(nodes, workload, modbus_device, time_limit)
    are_true(nodes, workload, modbus_device)


@by_kind
@allure.story("Twins")
@allure.title("{twin}: its device {does}, and new values are reported again")
def test_a_twin_reports_again_after_a_restart(
    twin: LabTwin, does: AnyFault, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    fault = OnDevice(device=twin.device.name, does=does)
    if not does.exists_on(twin.device.protocol):
        raise MissingCapability(f"{twin.device.protocol} devices have no fault {does.kind}")
    with faults.inflict(fault):
        last = twin.status().value(SEQUENCE)
    eventually(
        f"{twin} reports new values",
        lambda: twin.status().state == ONLINE and twin.status().value(SEQUENCE) != last,
        time_limit(NOTICE_SECONDS),
        transient=(KubectlError,),
    )


def readers(lab: Lab, workload: Workload, device: Device) -> list[str]:
    """The nodes whose samplers read the device."""
    found = [
        node.name
        for node in sampling_nodes(lab.topology)
        if device.name in workload.devices_of(node)
    ]
    if not found:
        raise MissingCapability(f"no node samples {device.name}")
    return found


def are_sampling(
    nodes: list[str], workload: Workload, device: Device, time_limit: TimeLimit
) -> None:
    """Waits until each node has taken some more samples."""

    def sampled(node: str) -> int:
        return workload.counts(node)[device.name].sampled

    def has_more(node: str, before: int) -> bool:
        return sampled(node) >= before + MORE

    for node in nodes:
        eventually(
            f"{node} samples {device}",
            partial(has_more, node, sampled(node)),
            time_limit(NOTICE_SECONDS),
        )


def are_true(nodes: list[str], workload: Workload, device: Device) -> None:
    """What has arrived matches the device's ground truth, and nothing was lost."""
    for node in nodes:
        verdict = judge_samples(workload.observe(node, device.name))
        allure.attach(str(verdict), f"verdict on {device} at {node}", allure.attachment_type.TEXT)
        assert verdict.passed, str(verdict)
