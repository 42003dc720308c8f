"""A node that runs short of memory, PIDs or descriptors: pods keep running, and new ones start when
the shortage is over."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import sampler_pod
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.fault import Fault
from edge_lab.faults.kinds import (
    FilesExhausted,
    MemoryBalloon,
    MemoryLeak,
    PageCache,
    PidsExhausted,
)
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.autonomy import Expectation
from edge_lab.provisioning.cri import cri_of
from edge_lab.topology import Node
from suites.memory.judging import sample_problems
from suites.memory.memorypods import IDLE, critical, guaranteed, key, memory_pod
from suites.memory.starts import NewPod, created_under, problems_of, usual_start
from suites.pods import POD_SECONDS, sends_events

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Shortages")]

LEFT_MIB = 320
"""MiB that the balloon leaves: enough for the node's programs, and for a pod that idles."""
LEAK_MIB_PER_S = 8
LEAK_SHARE = 0.5
"""Share of a node's memory at which the leak ends: the other half is enough for its programs, and
for a pod that idles."""
READ_MIB_PER_S = 64
"""Reads 2 GiB in half a minute; from then on pages are reclaimed."""
LEFT_PIDS = 4
"""PIDs left, in case that a running pod needs a thread. runc starts no container with six."""
STUCK_SECONDS = 60.0
"""Seconds for which a pod must not start, of the reference machine, and at least `STUCK_TIMES` as
long as it usually takes to start."""
STUCK_TIMES = 3


@dataclass(frozen=True)
class Shortage:
    """What a node runs short of."""

    fault: Callable[[Node], Fault]
    may_start: bool
    """Whether what is left is enough for a new pod."""


SHORTAGES = {
    "memory-balloon": Shortage(
        lambda node: MemoryBalloon(node=node.name, leave_mib=LEFT_MIB), True
    ),
    "memory-leak": Shortage(
        lambda node: MemoryLeak(
            node=node.name,
            mib_per_s=LEAK_MIB_PER_S,
            limit_mib=round(node.memory * LEAK_SHARE),
        ),
        True,
    ),
    "page-cache": Shortage(lambda node: PageCache(node=node.name, mib_per_s=READ_MIB_PER_S), True),
    "pids-exhausted": Shortage(lambda node: PidsExhausted(node=node.name, leave=LEFT_PIDS), False),
    "files-exhausted": Shortage(
        lambda node: FilesExhausted(node=node.name, service=cri_of(node).unit), False
    ),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.scenario(kind)) for kind in SHORTAGES]
)
@allure.title("{kind} on {edge_node}: pods keep running, and a new pod starts after the heal")
def test_running_pods_go_on_and_a_new_one_starts_when_the_shortage_is_over(
    lab: Lab,
    edge_node: LabNode,
    guarded: None,
    faults: FaultEngine,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    measure: Measuring,
    kind: str,
) -> None:
    node, shortage = edge_node.name, SHORTAGES[kind]
    warns = sends_events(lab)
    limit_s = time_limit(POD_SECONDS).total
    with autonomy.watching(node) as watch:
        usual = usual_start(lab, memory_pod(f"usual-{node}", node, IDLE), limit_s, time_limit)
        assert usual is not None, "a pod does not start without a shortage"
        restarts = restarts_of(lab, edge_node)
        stuck_s = max(time_limit(STUCK_SECONDS).total, STUCK_TIMES * usual)
        seen = created_under(
            lab,
            faults.inflict(shortage.fault(edge_node.spec)),
            memory_pod(f"short-{node}", node, IDLE),
            under_s=limit_s if shortage.may_start else stuck_s,
            after_s=limit_s,
            time_limit=time_limit,
        )
        restarted = restarts_of(lab, edge_node) - restarts
    record(measure, node, kind, usual, seen)
    spared = (f"{NAMESPACE}/{sampler_pod(node)}", key(guaranteed(node)), key(critical(node)))
    going_on = autonomy.judge(watch, node, Expectation(pods=spared))
    assert problems_of(seen, may_start=shortage.may_start, warns=warns) == [], seen
    assert going_on.passed, str(going_on)
    assert sample_problems(watch, node) == []
    assert restarted == 0, "services of the node were started again"
    assert_controls(seen, usual)


def assert_controls(seen: NewPod, usual: float) -> None:
    """The verdict rejects a pod that started as without a shortage, and any other defect."""
    unhindered = NewPod(started_s=usual, warnings=(), after_s=0.0)
    assert problems_of(unhindered, may_start=False)
    never = replace(seen, started_s=None, after_s=None)
    assert problems_of(never, may_start=True)
    assert problems_of(never, may_start=False)
    assert problems_of(NewPod(started_s=None, warnings=(), after_s=1.0), may_start=False)


def restarts_of(lab: Lab, node: LabNode) -> int:
    """How often the services of the stack, and the container runtime, were started again."""
    units = (*lab.platform.units(lab.topology)[node.name], cri_of(node.spec).unit)
    names = shlex.join(dict.fromkeys(units))
    return sum(map(int, node.output(f"systemctl show -p NRestarts --value {names}").split()))


def record(measure: Measuring, node: str, kind: str, usual: float, seen: NewPod) -> None:
    """Measures and warnings, for the report."""
    allure.attach("\n".join(seen.warnings), "warnings", allure.attachment_type.TEXT)
    after = () if seen.started_s is not None else (("after", seen.after_s),)
    for label, seconds in (("usual", usual), ("during", seen.started_s), *after):
        measure(
            "start of a pod in a shortage",
            None if seconds is None else round(seconds, 1),
            unit="s",
            better="neither",
            node=node,
            label=f"{kind} {label}",
            evidence="containerStatuses",
            reason="" if seconds is not None else "it did not start",
        )
