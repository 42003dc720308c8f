"""Observations of a control plane under a fleet of hollow nodes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def altered(self, **change: Any) -> Self:
        """A copy with changed fields, for negative controls."""
        return self.model_copy(update=change)


class Calls(_Frozen):
    """Requests of one kind that a program answered within some time."""

    verb: str
    """GET, LIST, POST …; for a datastore, its operation."""
    resource: str
    """With the subresource: nodes/status."""
    scope: str = ""
    """resource, namespace or cluster."""
    count: int
    p50_s: float
    p99_s: float
    """From the histogram, with linear interpolation within a bucket."""
    capped: bool = False
    """Whether p99 is beyond the histogram's last bound, and so at least this value."""

    @property
    def name(self) -> str:
        scope = f" ({self.scope})" if self.scope not in ("", "resource") else ""
        return f"{self.verb} {self.resource}{scope}"


class Objective(StrEnum):
    """Kinds of requests for which Kubernetes has a separate objective."""

    CHANGE = "change"
    """Of one object."""
    READ = "read"
    """Of one object."""
    LIST = "list"
    """Lists of a namespace, or of all."""

    @property
    def limit_s(self) -> float:
        """Of the 99th percentile, of each kind of object by itself
        (github.com/kubernetes/community/blob/master/sig-scalability/slos/api_call_latency.md)."""
        return 30.0 if self is Objective.LIST else 1.0

    @classmethod
    def of(cls, verb: str, scope: str) -> Objective:
        if verb not in ("GET", "LIST"):
            return cls.CHANGE
        return cls.READ if verb == "GET" and scope in ("", "resource") else cls.LIST


class ProgramMoment(_Frozen):
    """One program of the control plane at one moment."""

    pid: int
    """0 if it does not run."""
    cpu_s: float
    """CPU time since its start."""
    rss_mib: float


class ServerMoment(_Frozen):
    """The machine of the control plane at one moment."""

    time: int
    """ns since 1970, by the host's clock."""
    busy_s: float
    """Sum over all its CPUs, since boot."""
    idle_s: float
    """Idle time, including the wait for disks, summed over all its CPUs."""
    waiting_s: float
    """Part of `idle_s` in which a process waited for a disk."""
    total_mib: float
    available_mib: float
    kills: int
    """Processes that the kernel has killed for lack of memory since boot."""
    programs: Mapping[str, ProgramMoment]
    datastore_mib: float
    """The database, with its write-ahead log."""


class ServerLoad(_Frozen):
    """The use of the control plane's machine between two moments."""

    before: ServerMoment
    after: ServerMoment

    @property
    def seconds(self) -> float:
        return (self.after.time - self.before.time) / 1e9

    @property
    def busy(self) -> float:
        """Share of the CPU time, 0 to 1."""
        return self._share(self.after.busy_s - self.before.busy_s)

    @property
    def waiting(self) -> float:
        """Share of the CPU time that was only a wait for a disk."""
        return self._share(self.after.waiting_s - self.before.waiting_s)

    def _share(self, seconds: float) -> float:
        whole = self.after.busy_s - self.before.busy_s + self.after.idle_s - self.before.idle_s
        return seconds / whole if whole > 0 else 0.0

    def cores(self, program: str) -> float:
        """CPU time of a program per second."""
        spent = self.after.programs[program].cpu_s - self.before.programs[program].cpu_s
        return spent / self.seconds if self.seconds > 0 else 0.0

    @property
    def restarted(self) -> tuple[str, ...]:
        """Programs that restarted or ended."""
        return tuple(
            name
            for name, program in self.before.programs.items()
            if name not in self.after.programs or self.after.programs[name].pid != program.pid
        )


class FleetLoad(_Frozen):
    """A fleet of one size that was kept running for some time."""

    runtime: str
    """The stack, as control+runtime."""
    server: str
    accelerator: str = ""
    size: int
    """Hollow nodes."""
    twins: int = 0
    """The sum over all nodes."""
    began: int
    ended: int
    """ns since 1970, by the host's clock: the time for which it was held."""
    ready_after_s: float | None
    """From the creation of the last node until all were Ready; None if they never were."""
    never_ready: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    """Nodes that were seen not Ready while the fleet was held."""
    renew_every_s: float
    """Interval at which a node renews its lease."""
    renewals: int
    """Renewals of leases counted by the API server, including those of real nodes."""
    real_nodes: int
    kwok_cores: float = 0.0
    """CPU time per second that kwok used on the host, beside the guests."""
    calls: tuple[Calls, ...]
    """Of the API server."""
    objectives: tuple[Calls, ...]
    """The same, grouped by Kubernetes' objective for them (`Objective`)."""
    refused: int
    """Requests that it answered with 429 (too many requests)."""
    failed: int
    """Requests that it answered with 5xx."""
    datastore: tuple[Calls, ...]
    """Its requests to the datastore."""
    load: ServerLoad

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / 1e9

    @property
    def renewals_due(self) -> float:
        """The renewals that were due from all nodes."""
        return (self.size + self.real_nodes) * self.seconds / self.renew_every_s


class Eviction(_Frozen):
    """A pod of a hollow node that the control plane marked for deletion."""

    pod: str
    node: str
    time: int
    """When the mark was seen, ns since 1970 of the host."""
    decided: int | None = None
    """When the control plane decided it, ns since 1970 by the server's clock, rounded down to a
    second; None if the pod does not say it."""
    reason: str = ""
    """The reason that the pod gives, such as DeletionByTaintManager."""

    @property
    def no_later_than(self) -> int:
        """The decision, or, if it is unknown, when the mark was seen."""
        return self.time if self.decided is None else self.decided


class HerdEvidence(_Frozen):
    """A fleet that was silent and reconnected all at once."""

    runtime: str
    server: str
    accelerator: str = ""
    nodes: tuple[str, ...]
    pods: int
    """Pods that may be evicted, before the silence."""
    silenced: int
    woken: int
    ended: int
    """ns since 1970 of the host."""
    lost: tuple[str, ...]
    """Nodes that were marked lost before the wake."""
    renewed: Mapping[str, int]
    """By node, when the first renewal of its lease after the wake was seen, ns."""
    ready: Mapping[str, int]
    """By node, the time since which it has been Ready at the end, ns; only nodes that were
    lost."""
    tainted: Mapping[str, int]
    """By node, when it was last seen to get a taint that evicts (NoExecute), ns."""
    untainted: Mapping[str, int]
    """By node, the time since which it has had no such taint at the end, ns."""
    not_ready: tuple[str, ...]
    """At the end."""
    evictions: tuple[Eviction, ...]
    watch_breaks: int = 0
    """How often the watches of evictions and of nodes broke after the silence began: evictions
    during such a gap leave no trace, and times are late."""
    calls: tuple[Calls, ...]
    """From the wake to the end."""
    objectives: tuple[Calls, ...]
    refused: int
    failed: int
    datastore: tuple[Calls, ...]
    load: ServerLoad

    def since_wake(self, moment: int) -> float:
        """Seconds."""
        return (moment - self.woken) / 1e9
