"""What hostile frames did, by counters of the fabric and of another node's sampler."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.fabric.counters import Counters, LinkCounters, Reason
from edge_lab.oracles.frames import (
    Exposure,
    FabricView,
    FrameProblem,
    SamplerView,
    SentFrames,
    parse_sent_frames,
)

LINK = "arm-plant"
QUIET = LinkCounters(tx=Counters(), rx=Counters())
SENT = SentFrames(sent=100, refused={}, seconds=20.0)


def fabric(frames: int, *, pid: int = 7, dropped: int = 0, missing: int = 0) -> FabricView:
    tx = Counters(
        frames=frames, forwarded=frames - dropped - missing, dropped={Reason.LOSS: dropped}
    )
    return FabricView(pid, {LINK: LinkCounters(tx=tx, rx=Counters()), "other": QUIET})


def exposure(after: FabricView, *, sampled: int = 40, steps: int = 40) -> Exposure:
    sampler = (SamplerView(100, 90, 0), SamplerView(100 + steps, 90 + sampled, 1))
    return Exposure(LINK, (fabric(10), after), sampler, SENT)


def test_a_fabric_that_continues_and_a_sampler_that_loses_nothing() -> None:
    seen = exposure(fabric(110, dropped=5))
    assert seen.problems() == frozenset()
    assert (seen.received, seen.samples_lost, seen.sampled_percent) == (100, 0, 100.0)
    assert seen.read_errors == 1


@pytest.mark.parametrize(
    ("after", "sampled", "problem"),
    [
        (fabric(110, pid=8), 40, FrameProblem.RESTARTED),
        (fabric(110, missing=1), 40, FrameProblem.COUNTERS),
        (fabric(110), 38, FrameProblem.LOST),
    ],
)
def test_each_problem_is_found(after: FabricView, sampled: int, problem: FrameProblem) -> None:
    assert exposure(after, sampled=sampled).problems() == {problem}


def test_a_loss_that_is_measured_is_no_problem() -> None:
    assert exposure(fabric(110), sampled=0).problems(may_lose=True) == frozenset()


def test_the_step_under_way_is_not_lost() -> None:
    assert exposure(fabric(110), sampled=39).samples_lost == 0


@pytest.mark.parametrize("after", [fabric(10)])
def test_frames_that_did_not_arrive_are_no_evidence(after: FabricView) -> None:
    with pytest.raises(LabError):
        exposure(after)


def test_a_device_that_stands_still_is_no_evidence() -> None:
    with pytest.raises(LabError):
        exposure(fabric(110), steps=3, sampled=3)


def test_the_report_of_the_sender_is_read() -> None:
    text = SENT.model_copy(update={"refused": {"EMSGSIZE": 3}}).model_dump_json()
    assert parse_sent_frames(text).refused == {"EMSGSIZE": 3}


@given(st.text(max_size=40))
def test_anything_else_is_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_sent_frames(text)


def test_lost_samples_are_counted() -> None:
    seen = exposure(fabric(110), sampled=30)
    assert seen.samples_lost == 9
    assert replace(seen, link="arm-plant").sampled_percent == 75.0
