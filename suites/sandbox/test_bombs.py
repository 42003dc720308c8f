"""Pods that use up what they are given: limits stop them, and the node lives on beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.gvisor.addon import OVERHEAD
from edge_lab.addons.hostile.pods import bomb_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.observe.memory.objects import quantity_mib
from edge_lab.oracles.sandbox.bombs import (
    BOMBS,
    BY_SIGNAL,
    OWN_LIMIT,
    KillEvidence,
    bomb_problems,
    memory_problems,
)
from suites.edges import is_ready
from suites.sandbox.bombrun import boot_id, counted_kills, explode, kernel_kills
from suites.sandbox.runtimes import runtime_class

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

BOTH = [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT]
HOLD = ("--hold",)

pytestmark = [
    allure.parent_suite("Sandbox"),
    allure.feature("Bombs"),
    pytest.mark.parametrize("setting", BOTH, ids=str),
]

LIMIT_MIB, MORE_MIB, HARMLESS_MIB = 192, 512, 32


@pytest.fixture
def unharmed(lab: Lab, edge_node: LabNode, time_limit: TimeLimit) -> Iterator[None]:
    """The node is the same afterwards: not booted meanwhile, and Ready."""
    before = boot_id(edge_node)
    yield
    assert boot_id(edge_node) == before
    assert is_ready(lab, edge_node.name, time_limit)


@pytest.mark.parametrize("kind", BOMBS)
@allure.title("On {edge_node}, a bomb ({kind}) in a pod with {setting} is stopped as declared")
def test_a_bomb_is_stopped_as_declared(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    kind: str,
    unharmed: None,
    hostile_pods: HostilePods,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    asked, row = runtime_class(lab, edge_node.name, setting), BOMBS[kind]
    pod = bomb_pod(
        edge_node.name,
        setting,
        asked,
        kind,
        row.limit,
        options=(*HOLD, "--folder", row.folder),
        memory_mib=row.memory_mib,
        storage_mib=row.storage_mib,
    )
    run = explode(lab, edge_node, hostile_pods, pod, row.stops(setting), time_limit)
    if kind == "fork" and run.pids_limit == "max" and lab.stack.runtime.name == "kubeedge":
        raise MissingCapability(f"edged of {edge_node} reads no limit of processes")
    assert kind != "fork" or run.pids_limit != "max", "the kubelet has not applied the limit"
    measure(
        f"bomb: {kind}",
        run.progress.reached if run.progress else None,
        unit=row.unit.split()[0],
        node=edge_node.name,
        label=str(setting),
        evidence=f"stopped by {run.stopped_by or 'nothing'}: {row.note}",
        reason="" if run.progress else "no output",
    )
    assert not bomb_problems(kind, setting, run.stopped_by, run.progress)
    if kind == "fork" and run.stopped_by == "EAGAIN":
        assert run.pids_refused, "not by the limit of the pod's control group"


@pytest.mark.parametrize("kind", ["memory", *BOMBS])
@allure.title(
    "On {edge_node}, a pod with {setting} may use what its limits allow: {kind} (control)"
)
def test_a_small_bomb_comes_to_its_own_end(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    kind: str,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    """The control: the same pod with the same limits, and less of the same."""
    asked, row = runtime_class(lab, edge_node.name, setting), BOMBS.get(kind)
    pod = bomb_pod(
        edge_node.name,
        setting,
        asked,
        kind,
        row.harmless if row else HARMLESS_MIB,
        what="small",
        options=("--folder", row.folder) if row else (),
        memory_mib=row.memory_mib if row else LIMIT_MIB,
        storage_mib=row.storage_mib if row else 0,
    )
    run = explode(lab, edge_node, hostile_pods, pod, frozenset({OWN_LIMIT}), time_limit)
    assert (run.stopped_by, run.progress is not None) == (OWN_LIMIT, True)
    assert run.progress is not None
    assert run.progress.reached == run.progress.limit


@allure.title("On {edge_node}, a pod with {setting} that exceeds its memory limit is killed")
def test_a_memory_bomb_ends_with_its_pod(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    unharmed: None,
    hostile_pods: HostilePods,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    asked = runtime_class(lab, edge_node.name, setting)
    pod = bomb_pod(edge_node.name, setting, asked, "memory", MORE_MIB, memory_mib=LIMIT_MIB)
    before = counted_kills(edge_node)
    run = explode(lab, edge_node, hostile_pods, pod, frozenset({BY_SIGNAL}), time_limit)
    evidence = KillEvidence(kernel_kills(edge_node), counted_kills(edge_node) - before)
    assert run.progress is not None, "no output"
    measure(
        "memory bomb",
        run.progress.reached,
        unit="MiB",
        node=edge_node.name,
        label=str(setting),
        evidence=f"the limit of the pod is {LIMIT_MIB} MiB",
    )
    overhead = round(quantity_mib(OVERHEAD["memory"])) if asked else 0
    assert not memory_problems(run.pod, run.progress, LIMIT_MIB, overhead, evidence)
