"""A link that flaps: down and up by the clock, the same on every run of one seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import FrameBuffer
from edge_lab.fabric.stages.flight import Flight, Tally
from edge_lab.fabric.stages.gates import Flap
from edge_lab.fabric.state import DirectionState, FlapTimes, Mode

MS = 1_000_000


BUFFER = FrameBuffer()
RUN = BUFFER.put(bytes(60))


def passes(stage: Flap, at: int, tally: Tally | None = None) -> bool:
    """Whether a frame that comes at `at` (ns) passes."""
    return bool(stage.apply([Flight(at, BUFFER, [RUN])], tally or Tally()))


def test_frames_vanish_in_the_down_part_of_each_period_and_then_never_again() -> None:
    began = 5_000 * MS
    stage = Flap(FlapTimes(period_ms=100, duty=0.3, count=2), began)
    tally = Tally()
    fate = {at: passes(stage, began + at * MS, tally) for at in (0, 29, 31, 99, 101, 129, 131)}
    assert fate == {0: False, 29: False, 31: True, 99: True, 101: False, 129: False, 131: True}
    assert all(passes(stage, began + at * MS) for at in range(200, 2_000, 7))
    assert tally.dropped == {Reason.FLAP: 4}


@given(
    duty=st.floats(0.05, 0.95),
    count=st.integers(1, 20),
    jitter=st.floats(0, 0.9),
    seed=st.integers(0, 2**32),
)
def test_one_seed_has_one_fate(duty: float, count: int, jitter: float, seed: int) -> None:
    times = FlapTimes(period_ms=50, duty=duty, count=count, jitter=jitter, seed=seed)
    one, other = Flap(times, 0), Flap(times, 777 * MS)
    moments = range(0, 2_500 * MS, 13 * MS)
    assert [passes(one, at) for at in moments] == [passes(other, at + 777 * MS) for at in moments]
    assert not passes(one, 0)
    longest = 50 * (1 + jitter) * count
    assert passes(one, round(longest + 1) * MS)


def test_a_flap_goes_on_from_a_checkpoint_where_it_was() -> None:
    times = FlapTimes(period_ms=100, count=5)
    stage = Flap(times, 0)
    elapsed = stage.memory(230 * MS)
    assert elapsed == 230 * MS
    later = Flap(times, 9_000 * MS - elapsed)
    for ahead in range(0, 400, 9):
        assert passes(stage, (230 + ahead) * MS) == passes(later, (9_000 + ahead) * MS)


def test_a_flap_is_no_clear_state_and_needs_an_open_link() -> None:
    flap = FlapTimes(period_ms=8_000, count=5, jitter=0.25)
    state = DirectionState(flap=flap)
    assert not state.is_clear
    assert not state.is_closed
    assert str(state) == "flap 5 × 8 s ± 25 %"
    with pytest.raises(ValidationError, match="needs mode pass"):
        DirectionState(flap=flap, mode=Mode.DROP)


@pytest.mark.parametrize("wrong", [{"period_ms": 0}, {"duty": 1}, {"count": 0}, {"jitter": 1}])
def test_impossible_times_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FlapTimes.model_validate({"period_ms": 100, "count": 1, **wrong})
