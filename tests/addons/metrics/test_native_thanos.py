"""Thanos, an S3 server and Debian's Prometheus for real, on this machine: what is lost by which
outage, in the querier's view and in the object storage alone.

By the lab's own configurations, and the outages and judges of suites/metrics.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.addons.metrics.names import SCRAPES
from edge_lab.addons.metrics.receiver import LOOKBACK_SECONDS
from edge_lab.addons.metrics.records import Origin
from edge_lab.addons.metrics.thanos import BUCKET, Ports, objects_folder, query_command
from edge_lab.addons.metrics.view import View
from edge_lab.core.deadline import Deadline
from suites.metrics import archive as suite_archive
from suites.metrics.archive import Archive
from suites.metrics.archivejudging import judge_upload, judge_warnings
from suites.metrics.judging import AFTER_KILL, NOTHING, judge_line, judge_samples
from suites.metrics.outages import LINE_STEP, Outage, slow_line, upload_killed
from suites.metrics.queries import warnings_in
from tests.addons.fetch import suites
from tests.addons.metrics.site import CLOUD_ADDRESS, NODE
from tests.addons.metrics.standin import SLOW_KBIT, UNTIL_RESET, Disturbed, disturbed_site
from tests.addons.metrics.thanossite import SIDECAR_ENDPOINT, ThanosSite

pytestmark = pytest.mark.native(reason="Prometheus and Thanos, and blocks of two minutes")

LENIENT = Ports(query=f"{CLOUD_ADDRESS}:10914", query_grpc="127.0.0.1:10913")
"""Of a second querier."""
KEY = Origin(NODE, "thanos")


@pytest.fixture(scope="module", params=suites())
def disturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Disturbed[ThanosSite]]:
    folder = tmp_path_factory.mktemp(request.param)
    with disturbed_site(folder, request.param, ThanosSite) as found:
        yield found


def test_neither_a_cut_nor_a_kill_in_it_costs_a_sample(disturbed: Disturbed[ThanosSite]) -> None:
    for outage, allowance in ((disturbed.cut, NOTHING), (disturbed.reset, AFTER_KILL)):
        verdict = judge_samples(outage.evidence[KEY], allowance)
        assert verdict.passed, str(verdict)


def test_the_object_storage_alone_has_both_outages(disturbed: Disturbed[ThanosSite]) -> None:
    archive = Archive(disturbed.metrics)
    for outage, allowance in ((disturbed.cut, NOTHING), (disturbed.reset, AFTER_KILL)):
        (evidence,) = archive.evidence(outage)
        verdict = judge_samples(evidence, allowance)
        assert verdict.passed, str(verdict)
        assert evidence.drained_s is not None


def test_samples_of_a_block_that_is_taken_away_are_missing(
    disturbed: Disturbed[ThanosSite],
) -> None:
    """A control: the view of the object storage has nothing from anywhere else."""
    archive = Archive(disturbed.metrics)
    (before,) = archive.evidence(disturbed.cut)
    assert judge_samples(before).passed
    folder = Path(objects_folder(disturbed.site.place("cloud"))) / BUCKET
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
                (after,) = archive.evidence(disturbed.cut)
                return any(
                    "the view has lost" in problem for problem in judge_samples(after).problems
                )

            Deadline.after(120).wait_for("the store gateway notices", is_missing, every=2.0)
    finally:
        aside.rename(folder / hidden)


def test_a_query_draws_no_line_beyond_what_is_looked_back_for(
    disturbed: Disturbed[ThanosSite],
) -> None:
    (line,) = disturbed.cut.lines_of(KEY.sender)
    verdict = judge_line(line, lookback=LOOKBACK_SECONDS, step=LINE_STEP)
    assert verdict.passed, str(verdict)


def test_a_response_says_which_node_is_missing(disturbed: Disturbed[ThanosSite]) -> None:
    (line,) = disturbed.cut.lines_of(KEY.sender)
    verdict = judge_warnings(line, SIDECAR_ENDPOINT, disturbed.cut.warnings[KEY.sender])
    assert verdict.passed, str(verdict)


def test_a_querier_that_is_not_strict_says_nothing(disturbed: Disturbed[ThanosSite]) -> None:
    """A control: the same cut, the same judge."""
    site = disturbed.site
    command = query_command(site.place("cloud"), LENIENT, "lenient")
    site.start("lenient", site.cloud, command)
    view = View("lenient", f"https://{LENIENT.query}")
    server, limit = disturbed.metrics.server, Deadline.after(180)

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
            (line,) = disturbed.cut.lines_of(KEY.sender)
            silent = replace(line, warnings=warnings_in(text()))
            assert not judge_warnings(silent, SIDECAR_ENDPOINT, ()).passed
            strict = disturbed.metrics.warnings(KEY.sender)
            assert any(SIDECAR_ENDPOINT in warning for warning in strict)
    finally:
        site.kill("lenient")


def test_a_slow_line_costs_no_sample(disturbed: Disturbed[ThanosSite]) -> None:
    outage = slow_line(disturbed.metrics, disturbed.faults)
    verdict = judge_samples(outage.evidence[KEY])
    assert verdict.passed, str(verdict)


def test_an_upload_that_a_kill_interrupts_is_made_good(disturbed: Disturbed[ThanosSite]) -> None:
    outage = upload_killed(disturbed.metrics, disturbed.faults)
    until_made_good(disturbed, outage)


def test_an_upload_that_a_cut_interrupts_is_made_good(disturbed: Disturbed[ThanosSite]) -> None:
    archive, outage, site = Archive(disturbed.metrics), Outage(disturbed.metrics), disturbed.site
    with outage.watched(), contextlib.ExitStack() as line:
        line.enter_context(site.slow(SLOW_KBIT))
        assert archive.blocks(half_for=150.0)
        with site.cut():
            disturbed.metrics.until_served(UNTIL_RESET)
            found = archive.blocks()
            outage.half = {name: block for name, block in found.items() if block.problem}
            line.close()
    until_made_good(disturbed, outage)


def until_made_good(disturbed: Disturbed[ThanosSite], outage: Outage) -> None:
    archive = Archive(disturbed.metrics)
    (evidence,) = archive.evidence(outage)
    upload = judge_upload(outage.half, archive.blocks_at_rest(), NODE, "none")
    assert upload.passed, str(upload)
    assert upload.measures
    for seen in (evidence, outage.evidence[KEY]):
        verdict = judge_samples(seen)
        assert verdict.passed, str(verdict)
