"""The faults of memory, as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from edge_lab.faults.claims import Claims, node_part
from edge_lab.faults.effects import Scope
from edge_lab.faults.fault import Fault
from edge_lab.faults.objections import Objection, inability, unknown_name
from edge_lab.topology import Ability, Topology

LEAST_MIB = 32
"""Less cannot be distinguished from the normal changes on a node."""


class MemoryFault(Fault):
    """Base of the faults of memory. A node has one at a time: all are observed by what is left."""

    family: ClassVar[str] = "memory"
    node: str

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"{node_part(self.node)} memory"})

    @property
    def scope(self) -> Scope:
        return Scope(nodes=frozenset({self.node}))

    def claims(self, topology: Topology) -> Claims:
        return Claims(self.targets, needs=frozenset({node_part(self.node)}))

    def objections(self, topology: Topology) -> Iterator[Objection]:
        known = {node.name: node.memory for node in topology.nodes}
        yield from unknown_name("node", self.node, known)
        yield from self._wrong_fields(known.get(self.node))

    def _wrong_fields(self, memory: int | None) -> Iterator[Objection]:
        """Objections to the fields alone, on a node with that many MiB (None: unknown node)."""
        yield from ()


class _Victim(MemoryFault):
    """Base of faults whose memory is released only by killing the process."""

    oom_score_adj: int = Field(
        0,
        ge=-1000,
        le=1000,
        description="What the kernel adds to its score when it looks for a victim: -1000 for "
        "never, 1000 for first.",
    )


class MemoryHog(_Victim):
    """A process outside Kubernetes takes memory and keeps it in use; healing ends the process.

    It takes `mib`, or all but `leave_mib` of what is available when it begins.
    """

    fault: Literal["memory-hog"] = "memory-hog"
    mib: int | None = Field(None, ge=1)
    leave_mib: int | None = Field(None, ge=0)

    @property
    def title(self) -> str:
        return f"{_much(self)} of the memory of {self.node} taken"

    def _wrong_fields(self, memory: int | None) -> Iterator[Objection]:
        yield from _wrong_amount(self, memory)


class MemoryBalloon(MemoryFault):
    """The hypervisor takes memory away from the node by its balloon; healing gives it back.

    It takes `mib`, or all but `leave_mib` of what is available when it begins. The node has less
    memory then, and no process of it is charged. A reboot of the node does not end it.
    """

    fault: Literal["memory-balloon"] = "memory-balloon"
    mib: int | None = Field(None, ge=1)
    leave_mib: int | None = Field(None, ge=0)

    @property
    def title(self) -> str:
        return f"{_much(self)} of the memory of {self.node} taken by its hypervisor"

    def objections(self, topology: Topology) -> Iterator[Objection]:
        yield from super().objections(topology)
        yield from inability("node", topology, self.node, Ability.BALLOON)

    def _wrong_fields(self, memory: int | None) -> Iterator[Objection]:
        yield from _wrong_amount(self, memory)


class MemoryLeak(_Victim):
    """A process outside Kubernetes grows, up to a limit or until it is killed; healing ends it."""

    fault: Literal["memory-leak"] = "memory-leak"
    mib_per_s: float = Field(8, gt=0, le=256)
    limit_mib: int | None = Field(None, ge=1, description="Without it, it grows for ever.")

    @property
    def title(self) -> str:
        end = "" if self.limit_mib is None else f" up to {self.limit_mib} MiB"
        return f"a leak of {self.mib_per_s:g} MiB/s on {self.node}{end}"

    def _wrong_fields(self, memory: int | None) -> Iterator[Objection]:
        yield from _too_little("limit_mib", self.limit_mib)
        if self.mib_per_s < 0.5:
            yield Objection(
                "mib_per_s",
                f"a leak of {self.mib_per_s:g} MiB/s would be seen only after minutes",
                "Give 0.5 or more.",
            )
        if memory is not None and self.limit_mib is not None and self.limit_mib >= memory:
            yield Objection(
                "limit_mib",
                f"{self.node} has {memory} MiB in all, so that the limit is never reached",
                "Leave it out for a leak that never ends.",
            )


class PageCache(MemoryFault):
    """A file larger than the memory is read again and again: pages must always be taken back.

    Healing ends that and removes the file, which takes up no room on the disk.
    """

    fault: Literal["page-cache"] = "page-cache"
    mib_per_s: int = Field(200, ge=1, le=10_000)

    @property
    def title(self) -> str:
        return f"the page cache of {self.node} is filled at {self.mib_per_s} MiB/s"

    def _wrong_fields(self, memory: int | None) -> Iterator[Objection]:
        if self.mib_per_s < 50:
            yield Objection(
                "mib_per_s",
                f"at {self.mib_per_s} MiB/s pages would be reclaimed only after minutes",
                "Give 50 or more.",
            )


def _much(fault: MemoryHog | MemoryBalloon) -> str:
    return f"{fault.mib} MiB" if fault.leave_mib is None else f"all but {fault.leave_mib} MiB"


def _wrong_amount(fault: MemoryHog | MemoryBalloon, memory: int | None) -> Iterator[Objection]:
    if (fault.mib is None) == (fault.leave_mib is None):
        yield Objection(
            "fault" if fault.mib is None else "mib",
            "it needs exactly one amount of memory",
            "Give either `mib` or `leave_mib`.",
        )
    yield from _too_little("mib", fault.mib)
    for field, amount in (("mib", fault.mib), ("leave_mib", fault.leave_mib)):
        if memory is not None and amount is not None and amount >= memory:
            yield Objection(
                field,
                f"{fault.node} has {memory} MiB in all",
                "Give less. To run out of memory, use `leave_mib: 0` or `memory-leak`.",
            )


def _too_little(field: str, mib: int | None) -> Iterator[Objection]:
    if mib is not None and mib < LEAST_MIB:
        yield Objection(
            field,
            f"{mib} MiB cannot be distinguished from normal changes on a node",
            f"Give {LEAST_MIB} or more.",
        )
