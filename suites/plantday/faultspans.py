"""What the faults of a day excuse on a node.

When it could not read its device, when it was off, and which samples of metrics were on their way
when it lost its power.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.addons.models.records import Requests
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import NANOSECONDS, Span, united
from edge_lab.topology import Topology
from suites.metrics.evidence import BEFORE, HEAL, RESET, Evidence
from suites.metrics.outages import last_before_pause
from suites.plantday.evidence import boots_of, resets_of, span_of, stops_of, touching

SETTLE_SECONDS = 30.0
"""After a heal, until a program has connected to its device again."""
BOOT_SECONDS = 240.0
"""After the boot of an emulated node, at most, until its first inference is answered."""
SETTLED_SECONDS = 30.0
"""After a boot, or after the cloud is in reach again, until units are restarted no more."""


def blind_spans(
    records: tuple[FaultRecord, ...], topology: Topology, node: str, ended_ns: int
) -> tuple[Span, ...]:
    """When the node could not read its device, or not in time: by faults of devices, of the links
    to them, and while it was stopped."""
    devices = {device.name for device in topology.devices}
    uplink = topology.cluster_link(node).name
    links = {link.name for link in topology.links_of(node)} - {uplink}
    links |= {link.name for device in devices for link in topology.links_of(device)}
    spans = [
        *touching(records, frozenset(devices | links), ended_ns),
        *stops_of(records, node, ended_ns),
    ]
    return united(
        Span(span.start, span.end + round(SETTLE_SECONDS * NANOSECONDS)) for span in spans
    )


def silent_spans(
    records: tuple[FaultRecord, ...], node: str, requests: Requests, ended_ns: int
) -> tuple[tuple[float, float], ...]:
    """When the node was stopped, and after a boot until its first answer, in seconds."""
    found = []
    for span in stops_of(records, node, ended_ns):
        start, end = span.start / NANOSECONDS, span.end / NANOSECONDS
        answered = [request.time for request in requests.sent if request.ok and request.time > end]
        latest = end + BOOT_SECONDS
        found.append((start, min(min(answered, default=latest), latest)))
    return tuple(found)


def has_settled(
    records: tuple[FaultRecord, ...], topology: Topology, node: str, now_ns: int
) -> bool:
    """Whether the plan has had the node boot, and for a while it has been up, with the cloud in
    reach."""
    boots = boots_of(records, node, now_ns)
    if not boots:
        return False
    names = (node, topology.server.name)
    links = frozenset(topology.cluster_link(name).name for name in names)
    began = max(boot.start for boot in boots)
    away = [span for span in touching(records, links, now_ns) if span.end >= began]
    since = max(span.end for span in (*boots, *away))
    return now_ns - since >= SETTLED_SECONDS * NANOSECONDS


def marks_of(
    evidence: Evidence, records: tuple[FaultRecord, ...], topology: Topology
) -> Mapping[str, int]:
    """The marks for the verdict: the last scrape before the node lost its power, and the last one
    before the fault of its connection in which that happened."""
    ended = max((sample.time for sample in evidence.served), default=0)
    resets = resets_of(records, evidence.node)
    marks = {BEFORE: evidence.marks[BEFORE], HEAL: evidence.marks[HEAL]}
    if not resets:
        return marks
    (reset, *_) = resets
    boot = span_of(reset, ended)
    links = {
        link.name
        for name in (evidence.node, topology.server.name)
        for link in topology.links_of(name)
    }
    away = [
        span.start
        for record in records
        if record.fault.scope.links & links
        if (span := span_of(record, ended)).start <= boot.start <= span.end
    ]

    def last_until(time: float) -> int:
        before = [sample.number for sample in evidence.served if sample.time <= time]
        return max(before, default=marks[BEFORE])

    last = last_before_pause(evidence.served, reset, last_until(boot.start))
    return {**marks, BEFORE: last_until(min(away, default=boot.start)), RESET: last}
