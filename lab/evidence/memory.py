"""Observations of a node's memory, as data: its parts, and the effects of a shortage."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from edge_lab.measuring.observation import Observation


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# -- parts ---------------------------------------------------------------------------------------


class Group(StrEnum):
    """The owner of memory. All groups of one node add up to the memory of its machine."""

    RESERVED = "reserved at boot"
    """Never allocatable: firmware, the kernel's image, its page array."""
    KERNEL = "kernel"
    """Slab, page tables, kernel stacks, per-CPU data, whatever they are used for."""
    SYSTEM = "operating system"
    """Units that neither the stack nor an add-on installs, and everything outside units."""
    CONTROL_PLANE = "control plane"
    EDGE_RUNTIME = "edge runtime"
    CONTAINERD = "containerd and shims"
    CRI_O = "CRI-O"
    ADD_ONS = "add-ons"
    PODS = "pods"
    PAGE_CACHE = "page cache"
    """The page cache, whatever uses the files; reclaimed when needed."""
    UNACCOUNTED = "not accounted for"
    """Pages that drivers and the network took from the page allocator, and the error of counters
    that are not read at the same moment."""
    FREE = "free"


class MemoryPart(_Frozen):
    """A part of a node's memory, MiB. Each page is in one part only."""

    group: Group
    name: str
    """A unit, namespace/name of a pod, or the kernel's name for it."""
    mib: float
    """For a unit or a pod, memory of its processes (anonymous and shared). The remainder of a sum
    may be slightly below 0."""
    charged_mib: float | None = None
    """For a control group: all that it is charged with (memory.current), including page cache and
    its share of kernel memory."""
    peak_mib: float | None = None
    """The maximum of `charged_mib` (memory.peak)."""
    pss_mib: float | None = None
    """Proportional set size of its processes (smaps_rollup)."""
    oom_kills: int | None = None
    """Its processes that the kernel has killed for lack of memory (memory.events)."""


class NodeMemorySeen(Observation, kind="node_memory"):
    """A node's memory at one moment, MiB."""

    node: str
    machine_mib: float
    """Memory of the machine, by the topology."""
    total_mib: float
    """MemTotal: without the memory reserved at boot."""
    available_mib: float
    """MemAvailable."""
    stalled: float | None = None
    """Share of the last ten seconds, in percent, in which some process waited for memory (PSI);
    None if the kernel does not report it."""
    parts: tuple[MemoryPart, ...] = ()

    @property
    def number(self) -> float | None:
        return self.total_mib - self.available_mib

    def of(self, group: Group) -> float:
        """MiB of all parts of the group."""
        return sum(part.mib for part in self.parts if part.group is group)


# -- effects of a shortage -----------------------------------------------------------------------


class PressureSeen(Observation, kind="memory_pressure"):
    """The API server's view of memory pressure on a node."""

    node: str
    condition: str
    """The condition MemoryPressure: True, False, Unknown, or empty if there is none."""
    tainted: bool
    """Whether it has the taint node.kubernetes.io/memory-pressure."""
    ready: str


class PodMemory(_Frozen):
    """A pod of the node, by the API server."""

    namespace: str
    name: str
    uid: str
    qos: str
    """BestEffort, Burstable or Guaranteed."""
    priority: int = 0
    request_mib: float = 0.0
    """Sum over all its containers."""
    phase: str = ""
    reason: str = ""
    """The reason in its status, such as Evicted."""
    ready: bool = False
    restarts: int = 0
    ends: tuple[ContainerEnd, ...] = ()
    """How its containers ended, as far as the API server still shows it."""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class ContainerEnd(_Frozen):
    """How a container ended."""

    container: str
    reason: str
    exit_code: int


class ClusterEvent(_Frozen):
    """An event in the cluster."""

    kind: str
    """The kind of its object: Pod or Node."""
    name: str
    """namespace/name of a pod, name of a node."""
    reason: str
    message: str
    time: int = 0
    """Its last time, ns since 1970; 0 if it has none."""


class NodeMoment(_Frozen):
    """The state of a node at the beginning or at the end of the evidence."""

    boot: str
    available_mib: float
    kills: int
    """Processes that the kernel has killed for lack of memory since boot (/proc/vmstat)."""
    cgroup_kills: dict[str, int]
    """By control group, including its descendants (memory.events)."""
    units: dict[str, str]
    """By unit of the stack and the add-ons: its process id and the number of its restarts by
    systemd, in one word."""


class MemoryEvidence(_Frozen):
    """All that an oracle needs to judge the kills and evictions on one node."""

    node: str
    runtime: str
    began: int
    """ns since 1970 on the host's clock."""
    ended: int
    before: NodeMoment
    after: NodeMoment
    marks: tuple[str, str]
    """Written into the kernel's log at the beginning and at the end."""
    kernel_log: tuple[str, ...]
    """From one mark to the other: lines in the format of `journalctl -k -o short-unix`."""
    pods_before: tuple[PodMemory, ...]
    pods_after: tuple[PodMemory, ...]
    """Including pods that have ended but were not removed."""
    events: tuple[ClusterEvent, ...] | None
    """None if the API server could not be asked."""
    pressure: tuple[PressureSeen, ...] = ()
    memory: tuple[NodeMemorySeen, ...] = ()

    def altered(self, **change: Any) -> MemoryEvidence:
        """A copy with changed fields, for negative controls."""
        return self.model_copy(update=change)


PodMemory.model_rebuild()
