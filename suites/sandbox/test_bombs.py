"""Pods that use up what they are given: their limits end them, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.gvisor.addon import OVERHEAD
from edge_lab.addons.hostile.pods import bomb_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.observe.memory.objects import quantity_mib
from edge_lab.oracles.sandbox.bombs import memory_problems
from edge_lab.oracles.sandbox.records import parse_bomb
from suites.edges import is_ready
from suites.sandbox.runtimes import runtime_class

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Bombs")]

LIMIT_MIB, MORE_MIB = 192, 512
END_SECONDS = 300.0


@pytest.mark.parametrize("setting", [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT], ids=str)
@allure.title("On {edge_node}, a pod with {setting} that wants more memory than it may have ends")
def test_a_memory_bomb_ends_with_its_pod(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    asked = runtime_class(lab, edge_node.name, setting)
    pod = bomb_pod(edge_node.name, setting, asked, "memory", MORE_MIB, memory_mib=LIMIT_MIB)
    with hostile_pods.applied(pod) as uid:

        def ended() -> bool:
            found = lab.kubectl.get_json("pod", pod.name, "-n", NAMESPACE, deadline=time_limit(60))
            return found["status"].get("phase") in ("Failed", "Succeeded")

        eventually(
            f"{pod.name} ends", ended, time_limit(END_SECONDS), every=2.0, transient=(KubectlError,)
        )
        found = lab.kubectl.get_json("pod", pod.name, "-n", NAMESPACE, deadline=time_limit(60))
        progress = parse_bomb(hostile_pods.log(pod, uid))
    assert progress is not None, "it has said nothing"
    measure(
        "memory bomb",
        progress.reached,
        unit="MiB",
        node=edge_node.name,
        label=str(setting),
        evidence=f"the limit of the pod is {LIMIT_MIB} MiB",
    )
    overhead = quantity_mib(OVERHEAD["memory"]) if asked else 0
    assert not memory_problems(found, progress, LIMIT_MIB, round(overhead))
    assert is_ready(lab, edge_node.name, time_limit)
