"""The memory of nodes on a day that is made up."""

from __future__ import annotations

import random

from edge_lab.addons.functions.records import NANOSECONDS
from edge_lab.evidence.memory import Group, MemoryPart, NodeMemorySeen, NodeMoment
from suites.plantday.evidence import RestartEvidence
from tests.plantday.madeup import AFTER, FAULTS, SECONDS, SERVER, STACK, START, at, at_ns, boots


def memory(node: str, *, machine_mib: float = 2048.0) -> RestartEvidence:
    noise = random.Random(node)
    sizes = {
        (Group.PODS, "edge-lab/sampler"): 20.0,
        (Group.ADD_ONS, "edge-lab-models-server.service"): 140.0,
        (Group.EDGE_RUNTIME, "kubelet.service"): 60.0,
        (Group.KERNEL, "slab"): 50.0,
    }
    readings = []
    for second in range(0, SECONDS + AFTER, 10):
        if any(start <= at(second) <= end for start, end in boots(node)):
            continue
        parts = tuple(
            MemoryPart(group=group, name=name, mib=mib + noise.uniform(-1, 1), oom_kills=0)
            for (group, name), mib in sizes.items()
        )
        used = sum(part.mib for part in parts) + 150
        readings.append(
            NodeMemorySeen(
                time=at_ns(second),
                node=node,
                machine_mib=machine_mib,
                total_mib=machine_mib - 60,
                available_mib=machine_mib - 60 - used,
                parts=parts,
            )
        )
    booted = bool(boots(node))
    killed = {
        getattr(record.fault, "service", "")
        for record in FAULTS
        if record.fault.fault == "kill" and node in record.fault.scope.nodes
        if all(record.began > up * NANOSECONDS for _, up in boots(node))
    }
    units = {
        "kubelet.service": "700/0",
        "edge-lab-functions-activator.service": "750/0",
        "edge-lab-functions-broker.service": "800/0",
        "edge-lab-models-agent.service": "850/0",
    }
    if node == SERVER:
        units = {
            "kine.service": "600/0",
            "kustomize-controller.service": "900/0",
            "source-controller.service": "950/0",
        }
    later = {
        unit: f"{1000 + number}/1" if unit in killed else word
        for number, (unit, word) in enumerate(units.items())
    }
    return RestartEvidence(
        node=node,
        runtime=STACK,
        began=START,
        ended=at(SECONDS + AFTER),
        readings=tuple(readings),
        before=moment("boot-1", units),
        after=moment("boot-2" if booted else "boot-1", later),
        faults=FAULTS,
        settled=moment("boot-2", units) if booted else None,
        settled_at=at(332) if booted else 0.0,
        boots_seen=int(booted),
    )


def moment(boot: str, units: dict[str, str]) -> NodeMoment:
    return NodeMoment(boot=boot, available_mib=1500.0, kills=0, cgroup_kills={}, units=units)
