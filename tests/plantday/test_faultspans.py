"""What the faults of a day excuse on a node, and no more."""

from __future__ import annotations

from dataclasses import replace

from edge_lab.addons.functions.records import NANOSECONDS
from edge_lab.addons.models.records import FeedRequest, Requests
from edge_lab.faults.kinds import Cut, Drop, Kill, Reboot
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import Span
from suites.metrics.evidence import BEFORE, RESET
from suites.plantday.faultspans import (
    BOOT_SECONDS,
    SETTLE_SECONDS,
    SETTLED_SECONDS,
    blind_spans,
    has_settled,
    marks_of,
    silent_spans,
)
from tests.oracles.recordings import at, fault
from tests.plantday import scenes
from tests.plantday.madeup import FAULTS, TOPOLOGY

ENDED = at(3600)


def answered(second: float, *, ok: bool = True) -> FeedRequest:
    return FeedRequest(1, at(second) / NANOSECONDS, (), ok)


def test_only_faults_on_the_way_to_the_device_make_a_node_blind() -> None:
    own = fault(1, Cut(link="arm-plant"), 10, 11, 20, 21)
    devices = fault(2, Drop(link="boiler-plant"), 100, 101, 110, 111)
    records = (
        own,
        devices,
        fault(3, Cut(link="arm-cloud"), 200, 201, 210, 211),
        fault(4, Kill(node="edge-arm", service="kubelet.service"), 300, 301, 302, 303),
    )
    more = SETTLE_SECONDS
    assert blind_spans(records, TOPOLOGY, "edge-arm", ENDED) == (
        Span(at(10), at(21 + more)),
        Span(at(100), at(111 + more)),
    )
    assert blind_spans(records, TOPOLOGY, "edge-riscv", ENDED) == (Span(at(100), at(111 + more)),)


def test_a_node_is_silent_from_its_reset_to_its_first_answer_but_not_for_ever() -> None:
    reset = (fault(1, Reboot(node="edge-arm"), 100, 101, 160, 161),)
    sent = (answered(50), answered(170, ok=False), answered(180), answered(190))
    ((start, end),) = silent_spans(reset, "edge-arm", Requests(sent), ENDED)
    assert (start, end) == (at(100) / NANOSECONDS, at(180) / NANOSECONDS)
    ((_, end),) = silent_spans(reset, "edge-arm", Requests(sent[:2]), ENDED)
    assert end == at(161 + BOOT_SECONDS) / NANOSECONDS
    assert silent_spans(reset, "edge-riscv", Requests(sent), ENDED) == ()


def test_marks_are_the_last_scrapes_before_the_outage_and_before_the_loss_of_power() -> None:
    evidence = scenes.metrics("edge-arm")
    served = {sample.number: sample.time for sample in evidence.served}
    (away,) = [record for record in FAULTS if "server-cloud" in record.fault.scope.links]
    (reset,) = [record for record in FAULTS if record.fault.fault == "reboot"]
    second = 2 * NANOSECONDS
    assert 0 <= away.began - served[evidence.marks[BEFORE]] <= second
    assert 0 <= reset.began - served[evidence.marks[RESET]] <= second
    without = tuple(record for record in FAULTS if record is not reset)
    marks = marks_of(replace(evidence, marks={**evidence.marks, BEFORE: 6}), without, TOPOLOGY)
    assert RESET not in marks
    assert marks[BEFORE] == 6


def test_a_node_has_settled_a_while_after_its_boot_and_after_the_cloud_is_back() -> None:
    reset = fault(1, Reboot(node="edge-arm"), 100, 101, 160, 161)
    cloud = fault(2, Drop(link="server-cloud"), 90, 91, 300, 301)
    later = fault(3, Cut(link="riscv-cloud"), 310, 311, 390, 391)

    def settled(second: float, *records: FaultRecord, node: str = "edge-arm") -> bool:
        return has_settled(records, TOPOLOGY, node, at(second))

    assert not settled(170, reset)
    assert settled(161 + SETTLED_SECONDS, reset)
    assert not settled(161 + SETTLED_SECONDS, reset, cloud)
    assert settled(301 + SETTLED_SECONDS, reset, cloud, later)
    assert not settled(900, reset, cloud, node="edge-riscv")
    assert not settled(900, fault(1, Reboot(node="edge-arm"), 100, 101), cloud)
