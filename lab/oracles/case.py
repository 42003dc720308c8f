"""The case to judge: one node, its expectations, and the faults that concern it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_lab.evidence.recording import Recording
from edge_lab.faults.effects import Scope
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import NANOSECONDS, Span
from edge_lab.topology import Topology


@dataclass(frozen=True)
class Expectation:
    """What is expected of a node. The default: nothing stops, and everything recovers."""

    concern: frozenset[str] | None = None
    """Names of the links, nodes and devices whose faults concern the node, as `concern_of`
    gives them; None for all links and nodes."""
    pods: tuple[str, ...] = ()
    """As namespace/name; empty for all pods that ran on the node before."""
    may_restart: int | None = 0
    """Maximum restarts of each container; None for any number."""
    may_recreate: bool = False
    downtime_s: float | None = 5.0
    """Maximum total downtime, seconds; None for any."""
    silent_s: float = 30.0
    """Seconds for which a busy node may not answer: if the same containers run before and after,
    and no fault had stopped it, it was not down."""
    up_at_heal: bool = False
    """Its workload must run when the last heal begins: it has recovered without help."""
    must_detect: bool = False
    """The API server must stop showing the node Ready."""
    must_return: bool = True
    """It must have recovered in the end: node Ready, workload running, backlog delivered."""
    ready_s: float | None = None
    """Maximum seconds from the last heal until it is Ready; None for any time."""
    backlog_s: float | None = None
    """Maximum seconds from the last heal until the backlog is delivered; None for any time."""
    stay_s: float = 10.0
    """Seconds for which the node must have been Ready at the end of the recording. Samples that
    do not wait for all of that time are not a backlog."""
    sampling: bool = True
    """The node takes samples, and they are judged."""
    devices: tuple[str, ...] = ()
    """Whose samples must have been recorded; at least one device's in any case."""
    since: Mapping[str, int] = field(default_factory=dict)
    """By device: only samples above this number are judged."""
    late_after: float = 10.0
    """Seconds from truth to arrival."""
    at_rest: int = 2
    """The usual number of waiting samples of a device."""
    api_gap_s: float = 5.0
    """Seconds for which the API server may fail to answer without a fault on the server."""


def concern_of(topology: Topology, node: str) -> frozenset[str]:
    """The node, the server, and the links of both."""
    both = {node, topology.server.name}
    return frozenset(both | {link.name for name in both for link in topology.links_of(name)})


def faults_of(
    recording: Recording, node: str, concern: frozenset[str] | None
) -> tuple[FaultRecord, ...]:
    """The faults that may cause something to happen to the node, or to pods that ran on it."""
    pods = (
        f"{seen.namespace}/{seen.pod}" for seen in recording.container_seen if seen.node == node
    )
    near = None if concern is None else frozenset({node, *concern, *pods})
    return tuple(record for record in recording.faults if _concerns(record.fault.scope, near))


def _concerns(scope: Scope, near: frozenset[str] | None) -> bool:
    """Whether a fault of that scope affects something `near`; None for all links and nodes."""
    if scope.is_whole_lab:
        return True
    if near is None:
        return not scope.is_devices_alone
    return bool(scope.names & near)


class Case:
    """The case of one node, to which evidence and problems are added while it is judged."""

    def __init__(
        self,
        recording: Recording,
        node: str,
        expect: Expectation,
        faults: tuple[FaultRecord, ...],
    ) -> None:
        self.recording = recording
        self.node = node
        self.expect = expect
        self.faults = sorted(faults, key=lambda record: (record.began, record.id))
        """The faults that concern the node, at least one, in the order of injection."""
        self.start = self.faults[0].began
        self.span = Span(self.start, recording.ended)
        heals = [record.healed for record in faults if record.healed is not None]
        self.healed = max(heals) if len(heals) == len(faults) else None
        """When the last fault was healed; None if one never was."""
        begun = [record.heal_began for record in faults if record.heal_began is not None]
        self.heal_began = max(begun) if len(begun) == len(faults) else None
        """When the last heal was requested; None if one never was."""
        self.problems: list[str] = []
        self.evidence: list[str] = []

    def lacking(self, what: str) -> None:
        """Adds missing evidence as a problem."""
        self.problems.append(f"no evidence: {what}")

    def within(self, what: str, seconds: float, most: float | None) -> float:
        """Returns the seconds, and adds a problem if they exceed the maximum."""
        if most is not None and seconds > most:
            self.problems.append(f"{what} took {seconds:.1f} s; at most {most:g} s are allowed")
        return seconds

    def at(self, time: int) -> str:
        """Seconds from the first injection."""
        return f"{(time - self.start) / NANOSECONDS:+.1f} s"

    def of(self, span: Span) -> str:
        return f"{self.at(span.start)} to {self.at(span.end)}"
