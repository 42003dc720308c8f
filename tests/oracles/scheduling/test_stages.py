"""Stages of a start: what was not seen is no evidence, and the wrong order is the lab's error."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.scheduling.history import PodHistory
from edge_lab.oracles.scheduling.stages import STAGES, Moment, Stage, stages_of
from edge_lab.oracles.scheduling.verdict import judge_starts, summaries
from tests.oracles.scheduling.starts import SECONDS, start

STACK = "kubernetes+kubelet"


def test_each_stage_is_the_time_between_its_moments() -> None:
    stages = stages_of(start()).stages
    found = {stage: round(stages[stage].seconds, 6) for stage in Stage}
    assert found == {
        Stage.SCHEDULE: 0.25,
        Stage.DELIVER: 0.75,
        Stage.SANDBOX: 5.0,
        Stage.IMAGE: 1.5,
        Stage.START: 1.5,
        Stage.REPORT: 1.5,
        Stage.READY: 0.0,
    }
    assert STAGES[Stage.SCHEDULE] == (Moment.CREATED, Moment.SCHEDULED)
    assert STAGES[Stage.READY] == (Moment.RUNNING, Moment.READY)


def test_only_where_two_clocks_meet_does_their_offset_count() -> None:
    stages = stages_of(start()).stages
    uncertain = {stage for stage in Stage if stages[stage].error > 0.02}
    assert uncertain == {Stage.DELIVER, Stage.REPORT}


@pytest.mark.parametrize("moment", list(Moment))
def test_a_moment_that_was_not_seen_is_no_evidence(moment: Moment) -> None:
    seen = {known: after for known, after in SECONDS.items() if known is not moment}
    with pytest.raises(LabError, match="no evidence") as raised:
        stages_of(start(seen))
    assert str(moment) in raised.value.message


@pytest.mark.parametrize(
    ("moment", "after", "cause"),
    [
        (Moment.SCHEDULED, -0.02, Moment.CREATED),
        (Moment.NODE_SAW, -0.1, "the request"),
        (Moment.SANDBOX_READY, 0.99, Moment.NODE_SAW),
        (Moment.IMAGE_READY, 5.9, Moment.SANDBOX_READY),
        (Moment.STARTED, 7.4, Moment.IMAGE_READY),
        (Moment.RUNNING, 8.9, Moment.STARTED),
        (Moment.READY, 10.4, Moment.RUNNING),
    ],
)
def test_the_wrong_order_beyond_the_clock_error_names_both_moments(
    moment: Moment, after: float, cause: str
) -> None:
    with pytest.raises(LabError) as raised:
        stages_of(start({**SECONDS, moment: after}))
    assert f"{moment} comes" in raised.value.message
    assert f"before {cause}" in raised.value.message


def test_the_wrong_order_within_the_clock_error_is_a_stage_too_short_to_be_told() -> None:
    within = stages_of(start({**SECONDS, Moment.RUNNING: 8.98, Moment.READY: 8.98}))
    assert not within.stages[Stage.REPORT].measured


def test_a_node_that_learns_of_it_before_the_watch_is_no_error() -> None:
    times = stages_of(start({**SECONDS, Moment.SCHEDULED: 1.4}))
    deliver = times.stages[Stage.DELIVER]
    assert not deliver.measured
    assert deliver.end_first
    assert deliver.error == pytest.approx(0.031)
    assert times.startup == pytest.approx(10.5)


def test_one_pod_whose_node_was_first_does_not_blur_the_others() -> None:
    first = stages_of(start({**SECONDS, Moment.SCHEDULED: 4.0}))
    others = [stages_of(start())] * 2
    sample = summaries([first, *others])[Stage.DELIVER]
    assert sample.error == pytest.approx(0.031)
    assert not sample.below_error(sample.p50)
    measures = judge_starts([first, first, *others], "edge-arm", STACK).measures
    deliver = next(measure for measure in measures if measure.label == "deliver")
    assert deliver.value is None
    assert "31 ms" in deliver.reason
    assert "2 of 4 pods" in deliver.reason


def test_a_stage_below_the_clock_error_has_no_figure() -> None:
    stages = stages_of(start()).stages
    assert not stages[Stage.READY].measured
    assert "below the clock error" in str(stages[Stage.READY])
    assert stages[Stage.SANDBOX].measured


@given(
    st.lists(st.floats(0.0, 60.0), min_size=7, max_size=7),
    st.integers(-5_000_000_000, 5_000_000_000),
    st.integers(0, 100_000_000),
    st.floats(-1, 1),
)
def test_whatever_the_clocks_say_within_their_bounds_the_stages_add_up(
    durations: list[float], least: int, width: int, truth: float
) -> None:
    """The node's true offset is anywhere in the bounds, not in their middle."""
    after = dict(zip(Moment, accumulate(durations, initial=0.0), strict=True))
    clock = ClockBounds(least, least + width)
    for moment in (Moment.NODE_SAW, Moment.SANDBOX_READY, Moment.IMAGE_READY, Moment.STARTED):
        after[moment] += truth * width / 2e9
    times = stages_of(start(after, clock))
    assert times.startup == pytest.approx(sum(durations[:-1]), abs=1e-5)
    for stage, duration in zip(Stage, durations, strict=True):
        time = times.stages[stage]
        assert abs(time.seconds - duration) <= time.error + 1e-6
        assert not time.measured or time.seconds > 0


@pytest.mark.parametrize("startup", [8.5, 10.47, 10.53, 12.5, None])
def test_a_host_whose_clock_was_set_is_the_lab_s_error(startup: float | None) -> None:
    with pytest.raises(LabError):
        stages_of(start(startup_s=startup))


@pytest.mark.parametrize("startup", [10.485, 10.5, 10.515])
def test_two_clocks_of_the_host_may_differ_by_what_it_takes_to_read_them(startup: float) -> None:
    assert stages_of(start(startup_s=startup)).startup == pytest.approx(10.5)


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param({"nodes": ("edge-riscv",)}, id="on another node"),
        pytest.param({"nodes": ("edge-riscv", "edge-arm")}, id="moved"),
        pytest.param({"nodes": ()}, id="not bound"),
        pytest.param({"restarts": 1}, id="restarted"),
        pytest.param({"ended": "Failed"}, id="failed"),
        pytest.param({"removed": True}, id="removed"),
    ],
)
def test_a_pod_that_did_not_start_once_on_its_node_does_not_pass(defect: dict[str, Any]) -> None:
    history = PodHistory(**{"nodes": ("edge-arm",), **defect})
    spoilt = stages_of(start(history=history))
    verdict = judge_starts([stages_of(start()), spoilt], "edge-arm", STACK)
    assert len(verdict.problems) == 1
    assert judge_starts([stages_of(start())], "edge-arm", STACK).passed


def test_a_verdict_needs_a_pod_of_its_node() -> None:
    with pytest.raises(LabError, match="no evidence"):
        judge_starts([stages_of(start())], "edge-riscv", STACK)


def test_measures_say_what_cannot_be_told() -> None:
    measures = judge_starts([stages_of(start())], "edge-arm", STACK).measures
    by_label = {measure.label: measure for measure in measures}
    assert by_label["p50"].value == pytest.approx(10.5)
    assert by_label["sandbox"].value == pytest.approx(5.0)
    assert by_label["ready"].value is None
    assert "clock error" in by_label["ready"].reason
    assert by_label["pods"].value == 1
