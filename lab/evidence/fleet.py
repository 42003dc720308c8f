"""What was seen of a control plane that carries a fleet of hollow nodes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def altered(self, **change: Any) -> Self:
        """The same with other fields: for negative controls."""
        return self.model_copy(update=change)


class Calls(_Frozen):
    """Requests of one kind that a program has answered within some time."""

    verb: str
    """GET, LIST, POST …; with a datastore its operation."""
    resource: str
    """With the subresource: nodes/status."""
    scope: str = ""
    """resource, namespace or cluster."""
    count: int
    p50_s: float
    p99_s: float
    """Of the histogram: within a bucket it is taken to be linear."""
    capped: bool = False
    """Whether p99 is beyond the histogram's last bound, and so at least what is given."""

    @property
    def name(self) -> str:
        scope = f" ({self.scope})" if self.scope not in ("", "resource") else ""
        return f"{self.verb} {self.resource}{scope}"


class Objective(StrEnum):
    """Kinds of requests for which Kubernetes has an objective of its own."""

    CHANGE = "change"
    """Of one object."""
    READ = "read"
    """Of one object."""
    LIST = "list"
    """Of a namespace, or of all."""

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
    """0: it does not run."""
    cpu_s: float
    """Processor time since it was started."""
    rss_mib: float


class ServerMoment(_Frozen):
    """The machine of the control plane at one moment."""

    time: int
    """ns since 1970, of the host."""
    busy_s: float
    """Of all its processors, since it was booted."""
    idle_s: float
    """Time without work, the wait for disks included, of all its processors."""
    waiting_s: float
    """Part of `idle_s` in which somebody waited for a disk."""
    total_mib: float
    available_mib: float
    kills: int
    """Processes that the kernel has killed for memory since it was booted."""
    programs: Mapping[str, ProgramMoment]
    datastore_mib: float
    """The database, with its write-ahead log."""


class ServerLoad(_Frozen):
    """What the control plane's machine has done from one moment to another."""

    before: ServerMoment
    after: ServerMoment

    @property
    def seconds(self) -> float:
        return (self.after.time - self.before.time) / 1e9

    @property
    def busy(self) -> float:
        """Share of the processors' time, 0 to 1."""
        return self._share(self.after.busy_s - self.before.busy_s)

    @property
    def waiting(self) -> float:
        """Share of the processors' time in which they had no work but to wait for a disk."""
        return self._share(self.after.waiting_s - self.before.waiting_s)

    def _share(self, seconds: float) -> float:
        whole = self.after.busy_s - self.before.busy_s + self.after.idle_s - self.before.idle_s
        return seconds / whole if whole > 0 else 0.0

    def cores(self, program: str) -> float:
        """Processor time of a program in each second."""
        spent = self.after.programs[program].cpu_s - self.before.programs[program].cpu_s
        return spent / self.seconds if self.seconds > 0 else 0.0

    @property
    def restarted(self) -> tuple[str, ...]:
        """Programs that are not the same process any more, or are gone."""
        return tuple(
            name
            for name, program in self.before.programs.items()
            if name not in self.after.programs or self.after.programs[name].pid != program.pid
        )


class FleetLoad(_Frozen):
    """A fleet of one size, held for some time."""

    runtime: str
    """The stack, as control+runtime."""
    server: str
    accelerator: str = ""
    size: int
    """Hollow nodes."""
    twins: int = 0
    """Of all of them together."""
    began: int
    ended: int
    """ns since 1970 of the host: while it was held."""
    ready_after_s: float | None
    """From the creation of the last of them until all were Ready; None if they never were."""
    never_ready: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    """Nodes that were seen not Ready while the fleet was held."""
    renew_every_s: float
    """How often a node renews its lease."""
    renewals: int
    """Of leases, by the API server's count: those of real nodes, too."""
    real_nodes: int
    kwok_cores: float = 0.0
    """Processor time that kwok took of the host in each second: it is beside the guests."""
    calls: tuple[Calls, ...]
    """Of the API server."""
    objectives: tuple[Calls, ...]
    """The same, together by what Kubernetes' objective is for them (`Objective`)."""
    refused: int
    """Requests to which it said 429: too many."""
    failed: int
    """Requests to which it said 5xx."""
    datastore: tuple[Calls, ...]
    """Its requests to the datastore."""
    load: ServerLoad

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / 1e9

    @property
    def renewals_due(self) -> float:
        """What all nodes would have renewed meanwhile."""
        return (self.size + self.real_nodes) * self.seconds / self.renew_every_s


class Eviction(_Frozen):
    """A pod of a hollow node that the control plane has marked for deletion."""

    pod: str
    node: str
    time: int
    """ns since 1970 of the host."""


class HerdEvidence(_Frozen):
    """A fleet that was silent and came back at once."""

    runtime: str
    server: str
    accelerator: str = ""
    nodes: tuple[str, ...]
    pods: int
    """That may be evicted, before the silence."""
    silenced: int
    woken: int
    ended: int
    """ns since 1970 of the host."""
    lost: tuple[str, ...]
    """Nodes that were taken for lost before they were woken."""
    renewed: Mapping[str, int]
    """By node, when the first renewal of its lease after the wake was seen, ns."""
    ready: Mapping[str, int]
    """By node, since when it has been Ready at the end, ns; those that were not lost are not in
    it."""
    not_ready: tuple[str, ...]
    """At the end."""
    evictions: tuple[Eviction, ...]
    watch_breaks: int = 0
    """Times that the watch of evictions broke after the silence had begun: what went meanwhile has
    left no trace."""
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
