"""Thanos, an S3 server and Debian's Prometheus for real, on this machine: what is lost by which
outage, in the querier's view and in the object storage alone.

By the lab's own configurations, and the outages and judges of suites/metrics.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge_lab.addons.metrics.names import SCRAPES
from edge_lab.addons.metrics.receiver import LOOKBACK_SECONDS
from edge_lab.addons.metrics.records import Origin
from edge_lab.addons.metrics.thanos import BUCKET, Ports, objects_folder, query_command
from edge_lab.addons.metrics.view import View
from edge_lab.core.deadline import Deadline
from edge_lab.faults.engine import FaultEngine
from suites.metrics import archive as suite_archive
from suites.metrics import outages as suite_outages
from suites.metrics.archive import Archive
from suites.metrics.archivejudging import judge_upload, judge_warnings
from suites.metrics.judging import AFTER_KILL, NOTHING, judge_line, judge_samples
from suites.metrics.outages import (
    LINE_STEP,
    Outage,
    cut_and_heal,
    reset_while_offline,
    slow_line,
    upload_killed,
)
from suites.metrics.queries import Metrics, warnings_in
from tests.addons.fetch import suites
from tests.addons.metrics.site import CLOUD_ADDRESS, NODE, running_site
from tests.addons.metrics.standin import SLOW_KBIT, metrics_of
from tests.addons.metrics.thanossite import SIDECAR_ENDPOINT, ThanosSite

pytestmark = pytest.mark.native(reason="Prometheus and Thanos, and blocks of two minutes")

UNTIL_RESET = 20
SETTLED_SECONDS = 40.0
LENIENT = Ports(query=f"{CLOUD_ADDRESS}:10914", query_grpc="127.0.0.1:10913")
"""Of a second querier."""
KEY = Origin(NODE, "thanos")


@dataclass(frozen=True)
class Running:
    """One site, and what was done to it, once for all tests."""

    site: ThanosSite
    metrics: Metrics
    faults: FaultEngine
    cut: Outage
    reset: Outage


@pytest.fixture(scope="module", params=suites())
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with (
        pytest.MonkeyPatch.context() as patch,
        running_site(tmp_path_factory.mktemp(request.param), request.param, ThanosSite) as site,
    ):
        patch.setattr(suite_outages, "LONG", UNTIL_RESET)
        patch.setattr(suite_outages, "SETTLED_SECONDS", SETTLED_SECONDS)
        metrics, faults = metrics_of(site)
        cut = cut_and_heal(metrics, faults)
        yield Running(site, metrics, faults, cut, reset_while_offline(metrics, faults))


def test_neither_a_cut_nor_a_kill_in_it_costs_a_sample(running: Running) -> None:
    for outage, allowance in ((running.cut, NOTHING), (running.reset, AFTER_KILL)):
        verdict = judge_samples(outage.evidence[KEY], allowance)
        assert verdict.passed, str(verdict)


def test_the_object_storage_alone_has_both_outages(running: Running) -> None:
    archive = Archive(running.metrics)
    for outage, allowance in ((running.cut, NOTHING), (running.reset, AFTER_KILL)):
        (evidence,) = archive.evidence(outage)
        verdict = judge_samples(evidence, allowance)
        assert verdict.passed, str(verdict)
        assert evidence.drained_s is not None


def test_samples_of_a_block_that_is_taken_away_are_missing(running: Running) -> None:
    """A control: the view of the object storage has nothing from anywhere else."""
    archive = Archive(running.metrics)
    (before,) = archive.evidence(running.cut)
    assert judge_samples(before).passed
    folder = Path(objects_folder(running.site.place("cloud"))) / BUCKET
    first = before.served[0].time / 1e9
    (hidden,) = (
        name
        for name, block in archive.blocks().items()
        if block.node == NODE and block.start <= first < block.start + 120
    )
    aside = folder.parent / hidden
    (folder / hidden).rename(aside)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(suite_archive, "ARCHIVE_SECONDS", 30.0)

            def is_missing() -> bool:
                (after,) = archive.evidence(running.cut)
                return any(
                    "the view has lost" in problem for problem in judge_samples(after).problems
                )

            Deadline.after(120).wait_for("the store gateway notices", is_missing, every=2.0)
    finally:
        aside.rename(folder / hidden)


def test_a_query_draws_no_line_beyond_what_is_looked_back_for(running: Running) -> None:
    (line,) = running.cut.lines_of(KEY.sender)
    verdict = judge_line(line, lookback=LOOKBACK_SECONDS, step=LINE_STEP)
    assert verdict.passed, str(verdict)


def test_a_response_says_which_node_is_missing(running: Running) -> None:
    (line,) = running.cut.lines_of(KEY.sender)
    verdict = judge_warnings(line, SIDECAR_ENDPOINT, running.cut.warnings[KEY.sender])
    assert verdict.passed, str(verdict)


def test_a_querier_that_is_not_strict_says_nothing(running: Running) -> None:
    """A control: the same cut, the same judge."""
    site = running.site
    command = query_command(site.place("cloud"), LENIENT, "lenient")
    site.start("lenient", site.cloud, command)
    view = View("lenient", f"https://{LENIENT.query}")
    server, limit = running.metrics.server, Deadline.after(180)

    def answers() -> bool:
        found = view.query(server, SCRAPES, limit)
        return any(answer.origin == KEY for answer in found)

    def text() -> str:
        return view.text(server, "/api/v1/query", limit, query=SCRAPES)

    try:
        limit.wait_for("the second querier", answers, transient=(AssertionError,))
        with site.cut():
            limit.wait_for("it has left the node out", lambda: not warnings_in(text()), every=2.0)
            limit.wait_for("it has no warning", lambda: not answers(), every=2.0)
            (line,) = running.cut.lines_of(KEY.sender)
            silent = replace(line, warnings=warnings_in(text()))
            assert not judge_warnings(silent, SIDECAR_ENDPOINT, ()).passed
            strict = running.metrics.warnings(KEY.sender)
            assert any(SIDECAR_ENDPOINT in warning for warning in strict)
    finally:
        site.kill("lenient")


def test_a_slow_line_costs_no_sample(running: Running) -> None:
    outage = slow_line(running.metrics, running.faults)
    verdict = judge_samples(outage.evidence[KEY])
    assert verdict.passed, str(verdict)


def test_an_upload_that_a_kill_interrupts_is_made_good(running: Running) -> None:
    outage = upload_killed(running.metrics, running.faults)
    until_made_good(running, outage)


def test_an_upload_that_a_cut_interrupts_is_made_good(running: Running) -> None:
    archive, outage, site = Archive(running.metrics), Outage(running.metrics), running.site
    with outage.watched(), contextlib.ExitStack() as line:
        line.enter_context(site.slow(SLOW_KBIT))
        assert archive.blocks(half_for=150.0)
        with site.cut():
            running.metrics.until_served(UNTIL_RESET)
            found = archive.blocks()
            outage.half = {name: block for name, block in found.items() if block.problem}
            line.close()
    until_made_good(running, outage)


def until_made_good(running: Running, outage: Outage) -> None:
    archive = Archive(running.metrics)
    (evidence,) = archive.evidence(outage)
    upload = judge_upload(outage.half, archive.blocks_at_rest(), NODE, "none")
    assert upload.passed, str(upload)
    assert upload.measures
    for seen in (evidence, outage.evidence[KEY]):
        verdict = judge_samples(seen)
        assert verdict.passed, str(verdict)
