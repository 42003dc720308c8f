"""What the rotation suite reads out of a recording, on recordings that are made up."""

from __future__ import annotations

import pytest

from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import ReplaceCertificate
from edge_lab.oracles.spans import Span
from suites.rotation.views import (
    longest_silence,
    may_be_away,
    ready_after,
    ready_at,
    record_of,
    unready_seconds,
    unready_seconds_in,
)
from tests.oracles.recordings import NODE, at, cut_and_healed, fault, ready

REPLACED = ReplaceCertificate(node=NODE, certificate="node")


def recording(*changes: tuple[float, str]) -> Recording:
    """Of 100 s."""
    whole = cut_and_healed()
    update = {
        "node_seen": (*ready(*changes), *ready((0, "Unknown"), node="edge-riscv")),
        "faults": (*whole.faults, fault(9, REPLACED, 10, 12, 50, 55)),
        "ended": at(100),
    }
    return whole.model_copy(update=update)


LOST = recording((0, "True"), (20, "Unknown"), (60, "True"), (70, "False"), (75, "True"))
NEVER_LOST = recording((0, "True"))
NEVER_BACK = recording((0, "True"), (20, "Unknown"))


def test_the_time_not_ready_is_summed_from_the_replacement_on() -> None:
    assert unready_seconds(LOST, NODE, at(10)) == pytest.approx(45)
    assert unready_seconds(LOST, NODE, at(50)) == pytest.approx(15)
    assert unready_seconds(NEVER_BACK, NODE, at(10)) == pytest.approx(80)
    assert unready_seconds(NEVER_LOST, NODE, at(10)) == 0


def test_the_time_not_ready_of_a_stage_is_that_within_it() -> None:
    assert unready_seconds_in(LOST, NODE, Span(at(10), at(30))) == pytest.approx(10)
    assert unready_seconds_in(LOST, NODE, Span(at(60), at(70))) == 0


def test_the_longest_silence_is_between_arrivals_or_at_either_end() -> None:
    whole = cut_and_healed()
    arrived = sorted(sample.received for samples in whole.samples for sample in samples.collected)
    first, last = arrived[0], arrived[-1]
    alone = longest_silence(whole, NODE, Span(first, last))
    assert alone is not None
    late = longest_silence(whole, NODE, Span(first, last + 1_000_000_000_000))
    assert late == pytest.approx(1000)
    early = longest_silence(whole, NODE, Span(first - 1_000_000_000_000, last))
    assert early == pytest.approx(1000)
    assert alone < 1000
    assert longest_silence(whole, NODE, Span(last + 1, last + 2)) is None
    assert longest_silence(whole, "edge-mips", Span(first, last)) is None


def test_a_node_is_back_when_it_is_shown_as_ready_after_that_moment() -> None:
    assert ready_after(LOST, NODE, at(50)) == pytest.approx(10)
    assert ready_after(NEVER_LOST, NODE, at(50)) == 0
    assert ready_after(NEVER_BACK, NODE, at(50)) is None
    assert ready_after(LOST, "edge-mips", at(50)) is None


def test_what_held_at_a_moment_is_what_was_seen_last() -> None:
    assert ready_at(LOST, NODE, at(15))
    assert not ready_at(LOST, NODE, at(50))
    assert not ready_at(LOST, "edge-mips", at(50))


def test_the_replacement_is_that_of_the_node() -> None:
    assert record_of(LOST, REPLACED).id == 9
    with pytest.raises(ValueError, match="not enough values"):
        record_of(LOST, REPLACED.model_copy(update={"node": "edge-riscv"}))


def test_a_node_is_away_until_its_own_turn_where_the_cloud_side_trusts_one_authority_alone() -> (
    None
):
    times = {"server": 10.0, "a": 2.0, "b": 3.0}
    assert may_be_away(times, "b", "server", in_turn=False) == 13.0
    assert may_be_away(times, "b", "server", in_turn=True) == 15.0
    assert may_be_away(times, "a", "server", in_turn=True) == 12.0
