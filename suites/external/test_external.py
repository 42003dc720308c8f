"""External nodes: samples, faults of links and services, power, console, refused operations.

`make external` starts a machine for it and runs this suite.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.bringup.saving import save_checkpoint
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.cluster.objects import node_ready
from edge_lab.core.errors import MissingCapability, NotPossible
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Freeze, Impair, Pause, PowerOff, Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode, node_of
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.samples import judge_samples
from edge_lab.topology import external_nodes
from suites.smoke.test_samples import observed

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("External nodes"), allure.feature("External nodes")]

READY_SECONDS = 300.0
KERNEL_LINE = re.compile(r"^\[\s*\d+\.\d+\] ", re.MULTILINE)


@pytest.fixture
def board(lab: Lab) -> LabNode:
    """The first external node of the lab."""
    for node in external_nodes(lab.topology):
        return node_of(lab, node.name)
    raise MissingCapability("the topology has no external node")


def wait_ready(lab: Lab, node: LabNode, time_limit: TimeLimit) -> None:
    eventually(
        f"{node.name} is Ready",
        lambda: node_ready(lab.kubectl.get_json("node", node.name, deadline=time_limit(60))),
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )


@allure.title("The external node joins the cluster, and its pods reach devices and the cloud")
def test_its_samples_arrive(
    lab: Lab, board: LabNode, workload: Workload, time_limit: TimeLimit
) -> None:
    wait_ready(lab, board, time_limit)
    workload.must_sample(board.spec)
    for device in workload.devices_of(board.spec):
        verdict = judge_samples(observed(workload, board.name, device, time_limit))
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize("kind", ["cut", "late"])
@allure.title("A fault of its link is proved and healed: {kind}")
def test_faults_of_its_wire(lab: Lab, board: LabNode, faults: FaultEngine, kind: str) -> None:
    link = lab.topology.cluster_link(board.name).name
    fault = Cut(link=link) if kind == "cut" else Impair(link=link, delay_ms=200)
    with faults.inflict(fault):
        # The management path is not a link of the lab.
        assert board.output("echo there") == "there"


@allure.title("A service of the node is frozen and resumes")
def test_faults_that_need_a_shell_alone(board: LabNode, faults: FaultEngine) -> None:
    with faults.inflict(Freeze(node=board.name, service="kubelet.service")):
        pass


@allure.title("Unsupported operations are refused")
def test_what_its_machine_cannot(
    lab: Lab, board: LabNode, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    with pytest.raises(NotPossible):
        faults.inject(Pause(node=board.name))
    with pytest.raises(NotPossible):
        save_checkpoint(lab, time_limit(60))


@pytest.mark.parametrize("fault", ["power-off", "reset", "reboot"])
@allure.title("The node is Ready again after a {fault}, and its console is recorded")
def test_its_power(
    lab: Lab, board: LabNode, faults: FaultEngine, time_limit: TimeLimit, fault: str
) -> None:
    if (
        lab.topology.node(board.name).external is None
        or "power" not in (lab.platform.capabilities(lab.topology)[board.name])
    ):
        raise MissingCapability("the external node has no power driver")
    kinds = {
        "power-off": PowerOff(node=board.name),
        "reset": Reboot(node=board.name),
        "reboot": Reboot(node=board.name, orderly=True),
    }
    before = board.output("cat /proc/sys/kernel/random/boot_id")
    mark = board.machine.console.mark()
    with faults.inflict(kinds[fault]):
        pass
    assert board.output("cat /proc/sys/kernel/random/boot_id") != before
    said = board.machine.console.path.read_bytes()[mark:].decode(errors="replace")
    assert KERNEL_LINE.search(said.replace("\r", "")), f"its console has {len(said)} characters"
    wait_ready(lab, board, time_limit)
