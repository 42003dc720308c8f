"""When frames go on: jitter, disorder and a line of limited rate."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.fabric import DirectionState, Reason
from edge_lab.fabric.framebuffer import FrameBuffer, slots
from edge_lab.fabric.impairment import Distribution
from edge_lab.fabric.stages import TICK_NS, Flight, Tally
from edge_lab.fabric.stages.timing import SPREADS, Rate
from tests.budget import examples

from .wires import MS, Bench, number_of, numbered

TICK_MS = TICK_NS / MS
SECOND = 1_000 * MS


def delays(state: DirectionState, frames: int, seed: int = 1) -> list[float]:
    """How long each of `frames` frames, all sent at once, was under way, milliseconds."""
    bench = Bench(seed=seed)
    bench.forwarder.set("l0", state, None)
    bench.send(0, *[numbered(0, 1, n) for n in range(frames)])
    bench.advance(100 * SECOND)
    assert bench.counters_add_up()
    took = dict(zip(map(number_of, bench.arrived(1)), bench.wires[1].times, strict=True))
    return [took[n] / MS for n in range(frames)]


# -- jitter ----------------------------------------------------------------------------------

LAWS: dict[Distribution, tuple[float, float, float, float, float]] = {
    # mean, standard deviation, least and most, in units of jitter_ms; kurtosis
    "uniform": (0.0, 1 / 3**0.5, -1.0, 1.0, 1.8),
    "normal": (0.0, 1.0, -4.0, 4.0, 3.0),
    # What is beyond 4 is taken as 4: moments of min(X, 4.5), X of Pareto's law of shape 3.
    "pareto": (-0.0329, 0.8209, -2 / 3, 4.0, 11.4),
}


def is_spread_by(took: list[float], mean: float, jitter: float, law: Distribution) -> bool:
    centre, deviation, least, most, kurtosis = LAWS[law]
    if not all(mean + least * jitter <= each <= mean + most * jitter + TICK_MS for each in took):
        return False
    far = abs(statistics.mean(took) - TICK_MS / 2 - mean - centre * jitter)
    wide = abs(statistics.pstdev(took) / (deviation * jitter) - 1)
    sixfold: float = 6 / len(took) ** 0.5
    near = far <= sixfold * deviation * jitter
    return near and wide <= sixfold * math.sqrt((kurtosis - 1) / 4)


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**64), law=st.sampled_from(sorted(LAWS)))
def test_jitter_has_the_mean_and_the_spread_of_its_law(seed: int, law: Distribution) -> None:
    state = DirectionState(delay_ms=100, jitter_ms=20, distribution=law)
    assert is_spread_by(delays(state, 1_500, seed), 100, 20, law)


def test_that_check_would_see_another_law_and_another_mean() -> None:
    for law in LAWS:
        took = delays(DirectionState(delay_ms=100, jitter_ms=20, distribution=law), 1_500)
        assert is_spread_by(took, 100, 20, law)
        assert not any(is_spread_by(took, 100, 20, other) for other in LAWS if other != law)
        assert not is_spread_by(took, 105, 20, law)
        assert not is_spread_by(took, 100, 30, law)


@given(law=st.sampled_from(sorted(SPREADS)), chance=st.floats(0, 1, exclude_max=True))
def test_no_number_is_outside_of_its_law(law: Distribution, chance: float) -> None:
    _, _, least, most, _ = LAWS[law]
    assert least - 1e-9 <= SPREADS[law](chance) <= most


@pytest.mark.parametrize("law", sorted(LAWS))
def test_jitter_beyond_the_delay_makes_no_frame_early(law: Distribution) -> None:
    took = delays(DirectionState(delay_ms=1, jitter_ms=30, distribution=law), 500)
    assert min(took) == 0
    assert sum(each == 0 for each in took) > 50


def test_jitter_needs_no_delay_and_lets_frames_overtake() -> None:
    took = delays(DirectionState(jitter_ms=10), 500)
    assert 200 < sum(each == 0 for each in took) < 300
    assert max(took) <= 10 + TICK_MS
    assert took != sorted(took)


def test_without_jitter_all_take_the_same_time_and_stay_in_order() -> None:
    assert set(delays(DirectionState(delay_ms=7), 500)) == {7.0}


# -- disorder --------------------------------------------------------------------------------


@settings(max_examples=examples(20))
@given(
    seed=st.integers(0, 2**64),
    reorder=st.sampled_from([0.02, 0.25, 0.9]),
    jitter=st.sampled_from([0.0, 2.0]),
)
def test_as_many_frames_skip_the_delay_as_the_state_says(
    seed: int, reorder: float, jitter: float
) -> None:
    took = delays(DirectionState(delay_ms=10, jitter_ms=jitter, reorder=reorder), 2_000, seed)
    skipped = sum(each == 0 for each in took)
    assert abs(skipped - 2_000 * reorder) <= 6 * (2_000 * reorder * (1 - reorder)) ** 0.5
    assert all(each == 0 or 10 - jitter <= each <= 10 + jitter + TICK_MS for each in took)


def test_a_frame_that_skips_the_delay_overtakes_and_all_others_stay_in_order() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=10, reorder=0.2), None)
    for number in range(500):
        bench.send(0, numbered(0, 1, number))
        bench.advance(MS)
    bench.advance(20 * MS)
    order = [number_of(each) for each in bench.arrived(1)]
    assert sorted(order) == list(range(500))
    late = [n for n, at in zip(order, bench.wires[1].times, strict=True) if at == (n + 10) * MS]
    early = [n for n, at in zip(order, bench.wires[1].times, strict=True) if at == n * MS]
    assert late == sorted(late)
    assert early == sorted(early)
    assert len(late) + len(early) == 500
    assert order != sorted(order)


# -- rate ------------------------------------------------------------------------------------


def test_in_the_long_run_the_line_carries_its_rate() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=800, queue_frames=500), None)
    bench.send(0, *[numbered(0, 1, n, 1_000) for n in range(500)])
    bench.advance(10 * SECOND)
    # 1,000 bytes at 800 kbit/s take 10 ms, and a frame comes when its last bit does.
    assert bench.wires[1].times == [(n + 1) * 10 * MS for n in range(500)]
    assert bench.arrived(1) == [numbered(0, 1, n, 1_000) for n in range(500)]


def test_a_burst_passes_at_once_and_again_after_a_pause() -> None:
    bench = Bench()
    state = DirectionState(rate_kbit=800, burst_bytes=5_500)
    bench.forwarder.set("l0", state, None)
    for start in (0, SECOND):
        bench.wires[1].times.clear()
        bench.advance(start - bench.now)
        bench.send(0, *[numbered(0, 1, n, 1_000) for n in range(8)])
        bench.advance(SECOND // 2)
        waited = [at - start for at in bench.wires[1].times]
        # The sixth lacks 500 bytes: 5 ms; each further one 1,000 bytes.
        assert waited == [0, 0, 0, 0, 0, 5 * MS, 15 * MS, 25 * MS]


def test_a_frame_longer_than_the_bucket_waits_for_what_it_lacks() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=8, burst_bytes=400), None)
    bench.send(0, numbered(0, 1, 0, 1_000))
    bench.advance(SECOND)
    assert bench.wires[1].times == [600 * MS]


def test_what_does_not_fit_into_the_queue_is_dropped_as_overflow() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=800, queue_frames=3), None)
    bench.send(0, *[numbered(0, 1, n, 1_000) for n in range(5)])
    assert bench.tx(0).dropped == {Reason.OVERFLOW: 2}
    assert bench.tx(0).in_flight == 3
    bench.advance(10 * MS)
    bench.send(0, numbered(0, 1, 5, 1_000), numbered(0, 1, 6, 1_000))
    bench.advance(SECOND)
    assert [number_of(each) for each in bench.arrived(1)] == [0, 1, 2, 5]
    assert bench.tx(0).dropped == {Reason.OVERFLOW: 3}
    assert bench.counters_add_up()


def test_delay_comes_on_top_of_the_time_on_the_line() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=800, delay_ms=50), None)
    bench.send(0, *[numbered(0, 1, n, 1_000) for n in range(3)])
    bench.advance(SECOND)
    assert bench.wires[1].times == [60 * MS, 70 * MS, 80 * MS]


def test_jitter_makes_no_frame_leave_before_the_line_has_carried_it() -> None:
    took = delays(DirectionState(rate_kbit=800, jitter_ms=50), 100)
    carried = [8e-2 * length / 8 * (n + 1) for n, length in enumerate([18] * 100)]
    assert all(each >= least for each, least in zip(took, carried, strict=True))


@given(
    times=st.lists(st.integers(0, 2 * MS), min_size=1, max_size=80).map(sorted),
    kbit=st.sampled_from([1_000.0, 100_000.0, 1e6]),
    burst=st.integers(0, 3_000),
    delay=st.sampled_from([0.0, 0.33]),
)
def test_a_line_of_limited_rate_keeps_the_order(
    times: list[int], kbit: float, burst: int, delay: float
) -> None:
    bench = Bench()
    state = DirectionState(rate_kbit=kbit, burst_bytes=burst, delay_ms=delay)
    bench.forwarder.set("l0", state, None)
    for number, at in enumerate(times):
        bench.advance(at - bench.now)
        bench.send(0, numbered(0, 1, number, 60))
    bench.advance(SECOND)
    assert [number_of(each) for each in bench.arrived(1)] == list(range(len(times)))


def test_without_a_rate_nothing_waits() -> None:
    assert set(delays(DirectionState(duplicate=1e-9), 2_000)) == {0.0}


def goes(kbit: float, burst: int, frames: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """When frames of (pause before it in ns, length) come and go, and their length."""
    stage, buffer, now, seen = Rate(kbit, burst, 32_768, 0), FrameBuffer(), 0, []
    for pause, length in frames:
        now += pause
        buffer.reset()
        run = buffer.put(bytes(length))
        for flight in stage.apply([Flight(now, buffer, [run])], Tally()):
            assert [*slots(flight.runs)] == [0]
            seen.append((now, flight.due, length))
    return seen


@given(
    kbit=st.sampled_from([1.0, 64.0, 1_600.0, 1e6]) | st.floats(1, 1e7),
    burst=st.integers(0, 20_000),
    frames=st.lists(
        st.tuples(st.integers(0, 50 * MS), st.integers(14, 3_000)), min_size=1, max_size=40
    ),
)
def test_a_token_bucket_lets_no_more_pass_than_its_burst_and_its_rate(
    kbit: float, burst: int, frames: list[tuple[int, int]]
) -> None:
    seen = goes(kbit, burst, frames)
    dues = [due for _, due, _ in seen]
    assert dues == sorted(dues)
    assert all(due >= came for came, due, _ in seen)
    per_ns = kbit / 8e6
    for first in range(len(seen)):
        octets = 0
        for last in range(first, len(seen)):
            octets += seen[last][2]
            span = dues[last] - dues[first] + TICK_NS  # the first may be late by a tick
            # A bucket that is too small is as large as the frame that it waits for.
            bucket = max(burst, seen[first][2])
            assert octets <= bucket + span * per_ns + 1e-6 * octets + per_ns + 1


@given(
    kbit=st.floats(1, 1e7),
    burst=st.integers(0, 20_000),
    frames=st.lists(
        st.tuples(st.integers(0, 50 * MS), st.integers(14, 3_000)), min_size=1, max_size=40
    ),
)
def test_a_token_bucket_holds_no_frame_back_longer_than_it_must(
    kbit: float, burst: int, frames: list[tuple[int, int]]
) -> None:
    """Beside it, a bucket that is filled and emptied step by step."""
    per_ns = kbit / 8e6
    tokens, at = float(burst), 0
    for came, due, length in goes(kbit, burst, frames):
        start = max(came, at)
        tokens = min(burst, tokens + (start - at) * per_ns)
        wait = max(0.0, (length - tokens) / per_ns)
        went = start + wait
        tokens, at = tokens + wait * per_ns - length, math.ceil(went)
        stray = 2 + 2 * len(frames) + 1e-9 * went
        assert went - stray <= due <= went + TICK_NS + stray
