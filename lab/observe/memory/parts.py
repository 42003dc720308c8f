"""Splits a snapshot of a node into parts that add up to the memory of its machine.

Memory of processes is attributed by control group: a unit's, or a pod's. Page cache and kernel
memory are shown for the whole node, since a control group is charged with a file's pages only if
it was the first to access them. So no page is counted twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edge_lab.evidence.memory import Group, MemoryPart, NodeMemorySeen
from edge_lab.observe.memory.files import ControlGroup, Snapshot
from edge_lab.provisioning.cri import cri_of
from edge_lab.topology import Cri

if TYPE_CHECKING:
    from edge_lab.addons import Platform
    from edge_lab.topology import Node, Topology

MIB = 1 << 20
CRI_GROUPS: Mapping[Cri, Group] = {Cri.CONTAINERD: Group.CONTAINERD, Cri.CRI_O: Group.CRI_O}
"""containerd keeps its shims in its own control group; CRI-O's monitors are in those of pods."""
SYSTEM_SLICE = PurePosixPath("/system.slice")
OTHER_TOPS = ("/init.scope", "/user.slice")
LEAST_BYTES = MIB
"""Smaller units of the operating system are shown together."""


def owners(platform: Platform, topology: Topology, node: Node) -> dict[str, Group]:
    """By unit of a node, the part of the platform to which it belongs."""
    stack = platform.stack
    found: dict[str, Group] = {}
    for addon in platform.addons:
        found |= dict.fromkeys(addon.units(topology, node, stack), Group.ADD_ONS)
    found |= dict.fromkeys(stack.units(topology)[node.name], Group.EDGE_RUNTIME)
    if node.name == topology.server.name:
        found |= dict.fromkeys(stack.server_units(), Group.CONTROL_PLANE)
    found[cri_of(node).unit] = CRI_GROUPS[node.cri]
    return found


def node_memory(
    seen: Snapshot, node: str, machine_mib: float, owned: Mapping[str, Group]
) -> NodeMemorySeen:
    """The parts of a node's memory; `owned` gives the owner of each unit."""
    parts = [*_processes(seen, owned), *_rest(seen)]
    total = seen.meminfo["MemTotal"] / MIB
    missing = total - sum(part.mib for part in parts)
    parts.append(MemoryPart(group=Group.UNACCOUNTED, name="not accounted for", mib=_r(missing)))
    reserved = machine_mib - total
    parts.append(MemoryPart(group=Group.RESERVED, name="reserved at boot", mib=_r(reserved)))
    return NodeMemorySeen(
        time=time.time_ns(),
        node=node,
        machine_mib=machine_mib,
        total_mib=_r(total),
        available_mib=_r(seen.meminfo["MemAvailable"] / MIB),
        stalled=seen.stalled,
        parts=tuple(parts),
    )


def _processes(seen: Snapshot, owned: Mapping[str, Group]) -> Iterator[MemoryPart]:
    left = seen.meminfo["AnonPages"] + seen.meminfo.get("Shmem", 0)
    small = 0
    for group in sorted(seen.groups.values(), key=lambda group: group.path):
        if not group.stat:
            continue
        if group.is_pod:
            name = seen.pods.get(group.pod, f"pod {group.pod}")
            part = _part(seen, group, Group.PODS, name)
        elif group.path.parent == SYSTEM_SLICE or str(group.path) in OTHER_TOPS:
            owner = owned.get(group.path.name, Group.SYSTEM)
            if owner is Group.SYSTEM and group.processes < LEAST_BYTES:
                small += group.processes
                left -= group.processes
                continue
            part = _part(seen, group, owner, group.path.name)
        else:
            continue
        left -= group.processes
        yield part
    yield MemoryPart(group=Group.SYSTEM, name="small units", mib=_r(small / MIB))
    yield MemoryPart(group=Group.SYSTEM, name="in no unit and no pod", mib=_r(left / MIB))


def _part(seen: Snapshot, group: ControlGroup, owner: Group, name: str) -> MemoryPart:
    return MemoryPart(
        group=owner,
        name=name,
        mib=_r(group.processes / MIB),
        charged_mib=_mib(group.current),
        peak_mib=_mib(group.peak),
        pss_mib=_mib(seen.pss_of(group.path)),
        oom_kills=group.events.get("oom_kill"),
    )


def _rest(seen: Snapshot) -> Iterator[MemoryPart]:
    """Kernel memory, caches, and free memory."""
    info = seen.meminfo
    stacks = info.get("KernelStack", 0)
    kernel = {
        "slab": info["Slab"],
        "page tables": info.get("PageTables", 0) + info.get("SecPageTables", 0),
        "kernel stacks": stacks,
        "per-CPU data": info.get("Percpu", 0),
        # Includes kernel stacks, which are counted above.
        "modules and vmalloc": max(0, info.get("VmallocUsed", 0) - stacks),
    }
    for name, size in kernel.items():
        yield MemoryPart(group=Group.KERNEL, name=name, mib=_r(size / MIB))
    cached = info["Cached"] + info.get("Buffers", 0) + info.get("SwapCached", 0)
    files = cached - info.get("Shmem", 0)  # that of processes is counted with them
    yield MemoryPart(group=Group.PAGE_CACHE, name="page cache", mib=_r(files / MIB))
    yield MemoryPart(group=Group.FREE, name="free", mib=_r(info["MemFree"] / MIB))


def _mib(size: int | None) -> float | None:
    return None if size is None else _r(size / MIB)


def _r(mib: float) -> float:
    return round(mib, 1)
