"""Thanos: what the object storage alone has of an outage, an interrupted upload, and what a query
says while a node is missing."""

from __future__ import annotations

from collections.abc import Callable

import allure
import pytest

from edge_lab.addons.metrics.names import SIDECAR_PORT
from edge_lab.addons.metrics.senders import SIDECAR_SENDER
from edge_lab.faults.engine import FaultEngine
from suites.conftest import Judged
from suites.metrics.archive import Archive
from suites.metrics.archivejudging import judge_upload, judge_warnings
from suites.metrics.conftest import OutageOf
from suites.metrics.judging import AFTER_RESET, NOTHING, Allowance, judge_samples, judge_sender
from suites.metrics.outages import Outage, cut_and_heal, reset_while_offline, upload_killed
from suites.metrics.queries import Metrics

pytestmark = [
    allure.parent_suite("Metrics"),
    allure.feature("Object storage"),
    pytest.mark.needs(SIDECAR_SENDER.addon),
]


@pytest.mark.scenario("metrics: object storage alone")
@pytest.mark.parametrize(
    ("make", "allowance"),
    [
        pytest.param(cut_and_heal, NOTHING, id="uplink cut"),
        pytest.param(reset_while_offline, AFTER_RESET, id="power lost while offline"),
    ],
)
@allure.title("The object storage alone has all samples of an outage: {param_id}")
def test_the_object_storage_alone_has_an_outage(
    outage_of: OutageOf,
    metrics: Metrics,
    make: Callable[[Metrics, FaultEngine], Outage],
    allowance: Allowance,
    judged: Judged,
) -> None:
    archived = Archive(metrics).evidence(outage_of(make))
    judged(judge_samples(evidence, allowance) for evidence in archived)


@pytest.mark.scenario("metrics: uplink cut, partial response")
@allure.title("While a node is offline, a warning of the querier names its sidecar")
def test_a_partial_response_names_what_is_missing(
    outage_of: OutageOf, metrics: Metrics, judged: Judged
) -> None:
    outage, sender = outage_of(cut_and_heal), SIDECAR_SENDER.name
    link = metrics.lab.topology.cluster_link
    judged(
        judge_warnings(line, f"{link(line.node).address}:{SIDECAR_PORT}", outage.warnings[sender])
        for line in outage.lines_of(sender)
    )


@pytest.mark.scenario("metrics: sidecar killed while uploading")
@allure.title(
    "Sidecar killed during an upload, then uplink cut: the block is complete after the heal"
)
def test_an_interrupted_upload_is_made_good(
    outage_of: OutageOf, metrics: Metrics, judged: Judged
) -> None:
    outage, archive = outage_of(upload_killed), Archive(metrics)
    archived = archive.evidence(outage)
    blocks = archive.blocks_at_rest()
    judged(judge_upload(outage.half, blocks, node, metrics.runtime(node)) for node in metrics.nodes)
    judged(map(judge_samples, archived))
    judged(judge_sender(outage.evidence, SIDECAR_SENDER.name))
