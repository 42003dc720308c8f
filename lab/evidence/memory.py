"""What was seen of a node's memory, as data: where it is, and what happened when it was short."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from edge_lab.measuring.observation import Observation


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# -- where it is ---------------------------------------------------------------------------------


class Group(StrEnum):
    """Whose memory it is. Those of one node add up to the memory of its machine."""

    RESERVED = "reserved at boot"
    """Never given to anybody: firmware, the kernel's image, its table of pages."""
    KERNEL = "kernel"
    """Slab, page tables, kernel stacks, per-CPU data, of whoever they are."""
    SYSTEM = "operating system"
    """Units that neither the stack nor an add-on brings, and whatever is in no unit."""
    CONTROL_PLANE = "control plane"
    EDGE_RUNTIME = "edge runtime"
    CONTAINERD = "containerd and shims"
    ADD_ONS = "add-ons"
    PODS = "pods"
    PAGE_CACHE = "page cache"
    """Of whoever has read or written the files; given back when it is needed."""
    UNACCOUNTED = "not accounted for"
    """Pages that drivers and the network have from the page allocator, and what the counters of
    one moment miss."""
    FREE = "free"


class MemoryPart(_Frozen):
    """A part of a node's memory, MiB. No page is in two parts of one node."""

    group: Group
    name: str
    """A unit, namespace/name of a pod, or what it is to the kernel."""
    mib: float
    """Memory of processes (anonymous and shared) where it is a unit or a pod. May be a little
    below 0 where it is what is left of a sum."""
    charged_mib: float | None = None
    """Of a control group: all that it is charged with (memory.current), its page cache and its
    share of the kernel's among it."""
    peak_mib: float | None = None
    """The most that this ever was (memory.peak)."""
    pss_mib: float | None = None
    """Of its processes: their proportional set size (smaps_rollup)."""
    oom_kills: int | None = None
    """Processes of it that the kernel has killed for memory (memory.events)."""


class NodeMemorySeen(Observation, kind="node_memory"):
    """A node's memory at one moment, MiB."""

    node: str
    machine_mib: float
    """What the machine has, by the topology."""
    total_mib: float
    """MemTotal: without what is reserved at boot."""
    available_mib: float
    """MemAvailable."""
    stalled: float | None = None
    """Share of the last ten seconds, in percent, in which some process waited for memory (PSI);
    None where the kernel does not say."""
    parts: tuple[MemoryPart, ...] = ()

    @property
    def number(self) -> float | None:
        return self.total_mib - self.available_mib

    def of(self, group: Group) -> float:
        """MiB of all parts of the group."""
        return sum(part.mib for part in self.parts if part.group is group)


# -- what happened when it was short -------------------------------------------------------------


class PressureSeen(Observation, kind="memory_pressure"):
    """What the API server shows of a node that is short of memory."""

    node: str
    condition: str
    """Of MemoryPressure: True, False, Unknown, or empty where there is none."""
    tainted: bool
    """By node.kubernetes.io/memory-pressure."""
    ready: str


class PodMemory(_Frozen):
    """A pod of the node, as the API server had it."""

    namespace: str
    name: str
    uid: str
    qos: str
    """BestEffort, Burstable or Guaranteed."""
    priority: int = 0
    request_mib: float = 0.0
    """Of all its containers."""
    phase: str = ""
    reason: str = ""
    """Of its status: Evicted, say."""
    ready: bool = False
    restarts: int = 0
    ends: tuple[ContainerEnd, ...] = ()
    """How its containers ended, as far as the API server still knows."""

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
    """Of what it is about: Pod or Node."""
    name: str
    """namespace/name of a pod, name of a node."""
    reason: str
    message: str
    time: int = 0
    """ns since 1970, of its last time; 0 if it has none."""


class NodeMoment(_Frozen):
    """What a node showed at the beginning or at the end of a time."""

    boot: str
    available_mib: float
    kills: int
    """Processes that the kernel has killed for memory since it booted (/proc/vmstat)."""
    cgroup_kills: dict[str, int]
    """By control group, with those below it (memory.events)."""
    units: dict[str, str]
    """By unit of the stack and the add-ons: its process id and how often systemd has restarted
    it, in one word."""


class MemoryEvidence(_Frozen):
    """All that an oracle needs to say who lost memory on one node, and whether that was right."""

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
    """From one mark to the other: lines as `journalctl -k -o short-unix` shows them."""
    pods_before: tuple[PodMemory, ...]
    pods_after: tuple[PodMemory, ...]
    """With those that are over, if they were not removed."""
    events: tuple[ClusterEvent, ...] | None
    """None if the API server could not be asked."""
    pressure: tuple[PressureSeen, ...] = ()
    memory: tuple[NodeMemorySeen, ...] = ()

    def altered(self, **change: Any) -> MemoryEvidence:
        """The same with other fields: for negative controls."""
        return self.model_copy(update=change)


PodMemory.model_rebuild()
