"""Frames that come twice, and frames of which a bit is flipped."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.fabric import DirectionState
from edge_lab.fabric.framebuffer import SLOTS, FrameBufferPool
from edge_lab.fabric.stages import Clipboard
from tests.budget import examples

from .wires import BROADCAST, MS, Bench, frame, number_of, numbered


def flipped(sent: bytes, came: bytes) -> list[int]:
    """The places of bits in which two frames differ."""
    assert len(sent) == len(came)
    difference = int.from_bytes(sent, "big") ^ int.from_bytes(came, "big")
    return [8 * len(sent) - 1 - bit for bit in range(8 * len(sent)) if difference >> bit & 1]


# -- duplicates ------------------------------------------------------------------------------


@settings(max_examples=examples(25))
@given(seed=st.integers(0, 2**64), duplicate=st.sampled_from([0.01, 0.2, 0.9]))
def test_as_many_frames_come_twice_as_the_state_says(seed: int, duplicate: float) -> None:
    bench = Bench(seed=seed)
    bench.forwarder.set("l0", DirectionState(duplicate=duplicate), None)
    frames = [numbered(0, 1, n) for n in range(4_000)]
    bench.send(0, *frames)
    times = Counter(bench.arrived(1))
    assert set(times) == set(frames)
    assert set(times.values()) <= {1, 2}
    assert [each for n, each in enumerate(bench.arrived(1)) if bench.arrived(1)[n - 1] != each] == (
        frames
    )
    copies = bench.tx(0).copies
    assert copies == len(bench.arrived(1)) - len(frames)
    assert abs(copies - 4_000 * duplicate) <= 6 * (4_000 * duplicate * (1 - duplicate)) ** 0.5
    assert bench.tx(0).frames == 4_000
    assert bench.counters_add_up()


def test_with_probability_one_every_frame_comes_twice_in_each_direction() -> None:
    bench = Bench([3])
    bench.forwarder.set("l0", DirectionState(duplicate=1), None)
    bench.forwarder.set("l1", None, DirectionState(duplicate=1, delay_ms=1))
    frames = [numbered(0, BROADCAST, n) for n in range(300)]
    bench.send(0, *frames)
    bench.advance(2 * MS)
    assert bench.arrived(1) == [each for each in frames for _ in range(4)]
    assert bench.arrived(2) == [each for each in frames for _ in range(2)]
    assert bench.counters_add_up()


def test_a_copy_has_a_delay_of_its_own() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(duplicate=1, delay_ms=50, jitter_ms=40), None)
    bench.send(0, numbered(0, 1, 7))
    bench.advance(100 * MS)
    assert len(bench.arrived(1)) == 2
    assert len(set(bench.wires[1].times)) == 2


# -- flipped bits ----------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**64),
    lengths=st.lists(st.integers(18, 200), min_size=1, max_size=30),
    delay=st.sampled_from([0.0, 2.0]),
)
def test_exactly_one_bit_behind_the_header_is_flipped(
    seed: int, lengths: list[int], delay: float
) -> None:
    bench = Bench(seed=seed)
    bench.forwarder.set("l0", DirectionState(corrupt=1, delay_ms=delay), None)
    frames = [numbered(0, 1, n, length) for n, length in enumerate(lengths)]
    bench.send(0, *frames)
    bench.advance(5 * MS)
    assert len(bench.arrived(1)) == len(frames)
    for sent, came in zip(frames, bench.arrived(1), strict=True):
        places = flipped(sent, came)
        assert len(places) == 1
        assert places[0] >= 8 * 14
    assert bench.tx(0).corrupted == len(frames)
    assert bench.counters_add_up()


def test_all_bits_behind_the_header_have_their_turn() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(corrupt=1), None)
    sent = frame(0, 1, b"\xa5\x0f")
    bench.send(0, *[sent] * 1_600)
    turns = Counter(place for came in bench.arrived(1) for place in flipped(sent, came))
    assert sorted(turns) == list(range(8 * 14, 8 * 16))
    assert all(abs(times - 100) <= 6 * 10 for times in turns.values())


def test_other_receivers_of_a_flooded_frame_get_it_as_it_was() -> None:
    bench = Bench([4])
    bench.forwarder.set("l1", None, DirectionState(corrupt=1))
    bench.forwarder.set("l2", None, DirectionState(corrupt=1, delay_ms=1))
    frames = [numbered(0, BROADCAST, n) for n in range(500)]
    bench.send(0, *frames)
    bench.advance(5 * MS)
    assert bench.arrived(3) == frames
    for link in (1, 2):
        assert all(
            len(flipped(sent, came)) == 1
            for sent, came in zip(frames, bench.arrived(link), strict=True)
        )
    assert bench.arrived(1) != bench.arrived(2)


def test_a_bit_that_the_sender_s_link_flips_is_flipped_for_all_and_may_be_joined_by_another() -> (
    None
):
    bench = Bench([3])
    bench.forwarder.set("l0", DirectionState(corrupt=1), None)
    bench.forwarder.set("l1", None, DirectionState(corrupt=1))
    sent = numbered(0, BROADCAST, 1, 1_000)
    bench.send(0, sent)
    assert len(flipped(sent, bench.arrived(2)[0])) == 1
    assert len(flipped(bench.arrived(2)[0], bench.arrived(1)[0])) == 1


@settings(max_examples=examples(25))
@given(seed=st.integers(0, 2**64), corrupt=st.sampled_from([0.01, 0.3]))
def test_as_many_frames_are_corrupted_as_the_state_says(seed: int, corrupt: float) -> None:
    bench = Bench(seed=seed)
    bench.forwarder.set("l0", DirectionState(corrupt=corrupt), None)
    frames = [numbered(0, 1, n) for n in range(4_000)]
    bench.send(0, *frames)
    wrong = sum(a != b for a, b in zip(frames, bench.arrived(1), strict=True))
    assert wrong == bench.tx(0).corrupted
    assert abs(wrong - 4_000 * corrupt) <= 6 * (4_000 * corrupt * (1 - corrupt)) ** 0.5


def test_a_frame_that_is_all_header_has_nothing_to_flip() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(corrupt=1), None)
    bench.send(0, frame(0, 1))
    assert bench.arrived(1) == [frame(0, 1)]
    assert bench.tx(0).corrupted == 0


def test_copies_that_wait_are_not_overwritten_and_give_their_room_back() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(corrupt=1, delay_ms=5), None)
    for _ in range(8):
        frames = [numbered(0, 1, n, 100) for n in range(1_000)]
        bench.send(0, *frames)
        bench.advance(10 * MS)
        assert all(
            len(flipped(sent, came)) == 1
            for sent, came in zip(frames, bench.arrived(1), strict=True)
        )
        bench.arrived(1).clear()
    # A port and the clipboard each fill one; the rest of what a round needs is there again.
    assert bench.forwarder._pool._made <= 2 + 1 + 2 * (1_000 // SLOTS + 1)


def test_a_clipboard_uses_its_room_again_once_nobody_needs_it() -> None:
    pool = FrameBufferPool(limit=1)
    clipboard = Clipboard(pool)
    for number in range(3 * SLOTS):
        buffer, run = clipboard.copy(memoryview(b"x" * 20 + bytes([number % 256])))
        assert bytes(buffer.frame(run[0]))[20] == number % 256
        buffer.held -= 1
    assert pool._made == 1


def test_without_these_faults_nothing_is_doubled_or_changed() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=1), None)
    frames = [numbered(0, 1, n) for n in range(1_000)]
    bench.send(0, *frames)
    bench.advance(2 * MS)
    assert bench.arrived(1) == frames
    assert [number_of(each) for each in frames] == list(range(1_000))
    assert (bench.tx(0).copies, bench.tx(0).corrupted) == (0, 0)
