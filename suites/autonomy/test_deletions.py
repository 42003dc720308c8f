"""Pods that were deleted while their node could reach the cloud, and a loss of power later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.observe.sandboxes import runtime_column
from edge_lab.oracles.verdict import Verdict
from suites.autonomy.deletions import DeletionSide, judge_deletion
from suites.conftest import Judged

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Autonomy"),
    allure.feature("Offline"),
    pytest.mark.needs("offline-reboot"),
    pytest.mark.usefixtures("saved_lab"),
]

yurthub_restores_deleted_pods = pytest.mark.known_failure(
    runtime="openyurt",
    tracker="https://github.com/openyurtio/openyurt/issues",
    seen="v1.7.0: when the disk is full, yurthub cannot write a new version of a pod to its cache "
    "and leaves the previous one under a temporary name; the deletion does not remove that, and "
    "at its next start yurthub restores it (docs/findings/openyurt-full-disk.md); the tracker has "
    "no report of it",
    look_again="2027-05-30",
)


@pytest.mark.scenario("pod deleted, later a reboot while offline")
@allure.title("{edge_node}: a pod that was deleted does not run after a reboot while offline")
def test_a_deleted_pod_stays_away(
    lab: Lab, faults: FaultEngine, edge_node: LabNode, time_limit: TimeLimit, judged: Judged
) -> None:
    judged([_deleted(lab, faults, edge_node, time_limit, disk_full=False)])


@pytest.mark.scenario("pod deleted while the disk is full, later a reboot while offline")
@yurthub_restores_deleted_pods
@allure.title("{edge_node}: a pod that was deleted while the disk was full does not run again")
def test_a_pod_that_was_deleted_on_a_full_disk_stays_away(
    lab: Lab, faults: FaultEngine, edge_node: LabNode, time_limit: TimeLimit, judged: Judged
) -> None:
    judged([_deleted(lab, faults, edge_node, time_limit, disk_full=True)])


def _deleted(
    lab: Lab, faults: FaultEngine, node: LabNode, time_limit: TimeLimit, *, disk_full: bool
) -> Verdict:
    side = DeletionSide(lab, faults, time_limit, node.name)
    runtime = runtime_column(lab, node.name)
    return judge_deletion(side.delete_and_reboot_offline(runtime, disk_full=disk_full))
