"""What the fabric does to frames, on wires that are lists and a clock set by hand."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import InputError
from edge_lab.fabric import CUT, DROP, DirectionState, Mode, Reason
from edge_lab.fabric.pipe import QUEUE_FRAMES
from edge_lab.fabric.stages import TICK_NS
from tests.budget import examples

from .wires import BROADCAST, MS, Bench, frame, mac, numbered

traffic = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 3), st.just(BROADCAST))), max_size=150
)


# -- without a fault -------------------------------------------------------------------------


@given(sent=traffic, chunk=st.integers(1, 70))
def test_without_a_fault_each_frame_reaches_each_addressee_once_and_in_order(
    sent: list[tuple[int, int | bytes]], chunk: int
) -> None:
    bench = Bench([4])
    frames = [(source, numbered(source, to, n)) for n, (source, to) in enumerate(sent)]
    pending: list[bytes] = []
    for position, (source, data) in enumerate(frames):
        pending.append(data)
        last = position + 1 == len(frames)
        if last or frames[position + 1][0] != source or len(pending) == chunk:
            bench.send(source, *pending)
            pending = []
    for link in range(4):
        arrived = bench.arrived(link)
        wanted = [data for source, data in frames if source != link and data[:6] == mac(link)]
        assert [each for each in arrived if each[:6] == mac(link)] == wanted
        flooded = [data for source, data in frames if source != link and data[:6] == BROADCAST]
        assert [each for each in arrived if each[:6] == BROADCAST] == flooded
        assert not Counter(arrived) - Counter(data for source, data in frames if source != link)
    assert bench.counters_add_up()


@given(lengths=st.lists(st.integers(14, 65_507), max_size=8))
def test_frames_of_any_length_arrive_as_they_were_sent(lengths: list[int]) -> None:
    bench = Bench()
    sent = [
        frame(0, 1, bytes([n])).ljust(length, b"x")[:length] for n, length in enumerate(lengths)
    ]
    bench.send(0, *sent)
    assert bench.arrived(1) == sent


def test_networks_are_apart() -> None:
    bench = Bench([2, 2])
    bench.send(0, frame(0, BROADCAST))
    assert [len(bench.arrived(link)) for link in range(4)] == [0, 1, 0, 0]


def test_a_frame_to_an_address_learnt_behind_its_own_port_goes_nowhere() -> None:
    bench = Bench([3])
    bench.send(0, frame(7, BROADCAST))
    bench.send(0, frame(0, 7))
    assert [len(bench.arrived(link)) for link in range(3)] == [0, 1, 1]


def test_what_is_shorter_than_a_header_is_no_frame() -> None:
    bench = Bench()
    bench.send(0, b"short", frame(0, 1), b"x" * 13)
    assert bench.arrived(1) == [frame(0, 1)]
    assert bench.forwarder.status()[0].counters.tx.dropped == {Reason.RUNT: 2}
    assert bench.counters_add_up()


def test_an_endpoint_that_is_not_up_is_counted() -> None:
    bench = Bench()
    bench.wires[1].refuses = True
    bench.send(0, frame(0, 1))
    assert bench.forwarder.status()[1].counters.rx.dropped == {Reason.UNREACHABLE: 1}


# -- cut and drop ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"), [(CUT, Reason.CUT), (DROP, Reason.DROP)], ids=["cut", "drop"]
)
@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_a_cut_in_one_direction_passes_nothing_one_way_and_all_the_other(
    state: DirectionState, reason: Reason, direction: str
) -> None:
    bench = Bench()
    bench.forwarder.set(
        "l0", state if direction == "tx" else None, state if direction == "rx" else None
    )
    away = [numbered(0, 1, n) for n in range(100)]
    back = [numbered(1, 0, n) for n in range(100)]
    bench.send(0, *away)
    bench.send(1, *back)
    counters = bench.forwarder.status()[0].counters
    if direction == "tx":
        assert (bench.arrived(1), bench.arrived(0)) == ([], back)
        assert counters.tx.dropped == {reason: 100}
    else:
        assert (bench.arrived(1), bench.arrived(0)) == (away, [])
        assert counters.rx.dropped == {reason: 100}
    assert bench.counters_add_up()


def test_healing_lets_everything_pass_again() -> None:
    bench = Bench([3])
    bench.forwarder.set("l0", CUT, CUT)
    bench.forwarder.set("l1", DROP, None)
    bench.forwarder.heal("l0")
    bench.send(0, frame(0, BROADCAST))
    bench.send(1, frame(1, BROADCAST))
    assert [len(bench.arrived(link)) for link in range(3)] == [0, 1, 1]
    bench.forwarder.heal(None)
    bench.send(1, frame(1, BROADCAST))
    assert [len(bench.arrived(link)) for link in range(3)] == [1, 1, 2]


def test_a_cut_makes_the_switch_forget_what_was_behind_the_cable() -> None:
    bench = Bench([3])
    bench.send(0, frame(0, BROADCAST))
    bench.send(1, frame(1, 0))
    assert len(bench.arrived(2)) == 1
    bench.forwarder.set("l0", CUT, CUT)
    bench.send(1, frame(1, 0))
    assert len(bench.arrived(2)) == 2


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.DROP])
@pytest.mark.parametrize("link", [0, 1])
def test_frames_in_flight_when_a_link_is_cut_do_not_arrive(mode: Mode, link: int) -> None:
    bench = Bench()
    slow = DirectionState(delay_ms=10)
    bench.forwarder.set(f"l{link}", *((slow, None) if link == 0 else (None, slow)))
    bench.send(0, frame(0, 1))
    bench.advance(5 * MS)
    gone = DirectionState(mode=mode)
    bench.forwarder.set(f"l{link}", gone, gone)
    bench.advance(20 * MS)
    assert bench.arrived(1) == []
    counters = bench.forwarder.status()[link].counters
    assert (counters.tx if link == 0 else counters.rx).dropped == {Reason(mode.value): 1}
    assert bench.counters_add_up()


# -- delay -----------------------------------------------------------------------------------


def ways(times: list[int], tx: float, rx: float) -> tuple[list[bytes], list[int]]:
    """What arrives of one frame sent at each of `times`, and how long each took (ns)."""
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=tx), None)
    bench.forwarder.set("l1", None, DirectionState(delay_ms=rx))
    came: list[int] = []

    def step(nanoseconds: int) -> None:
        bench.advance(nanoseconds)
        came.extend([bench.now] * (len(bench.arrived(1)) - len(came)))

    def run_until(end: int) -> None:
        while (due := bench.forwarder.next_due) is not None and due <= end:
            step(max(0, due - bench.now))
        step(end - bench.now)

    for number, at in enumerate(times):
        run_until(at)
        bench.send(0, numbered(0, 1, number))
        step(0)
    run_until(100 * MS)
    assert bench.counters_add_up()
    return bench.arrived(1), [at - sent for sent, at in zip(times, came, strict=True)]


def on_time(took: list[int], tx: float, rx: float) -> bool:
    """Never early; late by a tick for each delay, and what rounding up to 1 ns adds."""
    least = (tx + rx) * MS
    return all(least <= each <= least + 2 * TICK_NS + 2 for each in took)


@given(
    times=st.lists(st.integers(0, 5 * MS), min_size=1, max_size=60).map(sorted),
    tx=st.floats(0, 30),
    rx=st.floats(0, 30),
)
def test_a_delayed_frame_is_never_early_hardly_late_and_in_order(
    times: list[int], tx: float, rx: float
) -> None:
    arrived, took = ways(times, tx, rx)
    assert arrived == [numbered(0, 1, n) for n in range(len(times))]
    assert on_time(took, tx, rx)


def test_that_check_would_see_an_early_and_a_late_frame() -> None:
    _, took = ways([0, MS], 4.9, 10)
    assert not on_time(took, 5.2, 10)
    assert not on_time(took, 4.5, 10)
    assert on_time(took, 4.9, 10)


def test_more_frames_than_the_queue_holds_are_counted_as_overflow() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=1000), None)
    bench.send(0, *[numbered(0, 1, n) for n in range(QUEUE_FRAMES + 100)])
    bench.advance(2000 * MS)
    assert bench.arrived(1) == [numbered(0, 1, n) for n in range(QUEUE_FRAMES)]
    assert bench.forwarder.status()[0].counters.tx.dropped == {Reason.OVERFLOW: 100}


def test_frames_that_wait_are_not_overwritten_by_later_ones() -> None:
    bench = Bench([3])
    bench.forwarder.set("l1", None, DirectionState(delay_ms=5))
    bench.send(1, frame(1, BROADCAST))
    bench.send(2, frame(2, BROADCAST))
    slow = [numbered(0, 1, n) for n in range(1000)]
    fast = [numbered(0, 2, n) for n in range(1000)]
    for slow_frame, fast_frame in zip(slow, fast, strict=True):
        bench.send(0, slow_frame, fast_frame)
    bench.advance(10 * MS)
    assert bench.arrived(1)[1:] == slow
    assert bench.arrived(2)[1:] == fast


# -- loss ------------------------------------------------------------------------------------


def fate(seed: int, loss: float, frames: int, link: int = 0) -> list[bytes]:
    bench = Bench(seed=seed)
    bench.forwarder.set(f"l{link}", DirectionState(loss=loss), None)
    bench.send(link, *[numbered(link, 1 - link, n) for n in range(frames)])
    assert bench.counters_add_up()
    return bench.arrived(1 - link)


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 2**64), loss=st.sampled_from([0.01, 0.1, 0.5, 0.9]))
def test_as_many_frames_are_lost_as_the_state_says(seed: int, loss: float) -> None:
    frames = 4000
    lost = frames - len(fate(seed, loss, frames))
    # Six standard deviations: one false alarm in half a thousand million.
    assert abs(lost - frames * loss) <= 6 * (frames * loss * (1 - loss)) ** 0.5


def test_that_check_would_see_a_wrong_loss() -> None:
    frames, loss = 4000, 0.10
    lost = frames - len(fate(1, 0.14, frames))
    assert abs(lost - frames * loss) > 6 * (frames * loss * (1 - loss)) ** 0.5


def test_losses_are_independent_of_each_other() -> None:
    arrived = {int.from_bytes(each[14:18], "big") for each in fate(3, 0.2, 20_000)}
    lost = [n not in arrived for n in range(20_000)]
    after_a_loss = [lost[n + 1] for n in range(19_999) if lost[n]]
    assert sum(after_a_loss) / len(after_a_loss) == pytest.approx(0.2, abs=0.03)


def test_all_or_nothing_is_lost_at_the_ends_of_the_scale() -> None:
    assert fate(1, 1.0, 500) == []
    assert len(fate(1, 0.0, 500)) == 500
    assert len(fate(1, 5e-324, 500)) == 500


@given(chunks=st.lists(st.integers(1, 50), max_size=20))
def test_the_same_frames_are_lost_however_they_are_batched(chunks: list[int]) -> None:
    bench = Bench(seed=5)
    bench.forwarder.set("l0", DirectionState(loss=0.3), None)
    frames = [numbered(0, 1, n) for n in range(sum(chunks))]
    at = 0
    for chunk in chunks:
        bench.send(0, *frames[at : at + chunk])
        at += chunk
    assert bench.arrived(1) == fate(5, 0.3, len(frames))


def test_another_seed_and_another_link_have_other_losses() -> None:
    frames = fate(1, 0.3, 300)
    assert frames == fate(1, 0.3, 300)
    assert frames != fate(2, 0.3, 300)
    positions = [each[14:18] for each in frames]
    assert positions != [each[14:18] for each in fate(1, 0.3, 300, link=1)]


def test_traffic_of_one_link_does_not_change_the_random_numbers_of_another() -> None:
    bench = Bench(seed=1)
    half = DirectionState(loss=0.3)
    bench.forwarder.set("l0", half, None)
    bench.forwarder.set("l1", half, half)
    for number in range(300):
        bench.send(1, numbered(1, 0, number))
        bench.send(0, numbered(0, 1, number))
    alone = Bench(seed=1)
    alone.forwarder.set("l0", half, None)
    alone.send(0, *[numbered(0, 1, n) for n in range(300)])
    passed = bench.forwarder.status()[0].counters.tx.forwarded
    assert passed == alone.forwarder.status()[0].counters.tx.forwarded


def test_reseeding_begins_the_same_losses_again() -> None:
    bench = Bench(seed=1)
    bench.forwarder.set("l0", DirectionState(loss=0.3), None)
    frames = [numbered(0, 1, n) for n in range(200)]
    bench.send(0, *frames)
    first = list(bench.arrived(1))
    bench.send(0, *frames)
    assert bench.arrived(1)[len(first) :] != first
    bench.arrived(1).clear()
    bench.forwarder.reseed(1)
    bench.send(0, *frames)
    assert bench.arrived(1) == first


# -- checkpoints -----------------------------------------------------------------------------


@given(before=st.integers(0, 200), loss=st.floats(0.01, 0.99))
def test_a_loaded_snapshot_goes_on_with_the_same_stream(before: int, loss: float) -> None:
    bench = Bench(seed=9)
    bench.forwarder.set("l0", DirectionState(loss=loss), CUT)
    bench.send(0, *[numbered(0, 1, n) for n in range(before)])
    snapshot = bench.forwarder.snapshot()
    frames = [numbered(0, 1, n) for n in range(300)]
    bench.arrived(1).clear()
    bench.send(0, *frames)

    other = Bench(seed=77)
    other.forwarder.load(snapshot)
    assert other.forwarder.snapshot() == snapshot
    other.send(0, *frames)
    assert other.arrived(1) == bench.arrived(1)
    assert other.forwarder.status()[0].rx == CUT


def test_loading_drops_what_was_in_flight() -> None:
    bench = Bench()
    snapshot = bench.forwarder.snapshot()
    bench.forwarder.set("l0", DirectionState(delay_ms=5), None)
    bench.send(0, frame(0, 1))
    bench.forwarder.load(snapshot)
    bench.advance(10 * MS)
    assert bench.arrived(1) == []
    assert bench.forwarder.status()[0].counters.tx.dropped == {Reason.FLUSHED: 1}
    assert bench.counters_add_up()


def test_a_snapshot_of_other_links_is_refused() -> None:
    snapshot = Bench([3]).forwarder.snapshot()
    with pytest.raises(InputError, match="different links: l2"):
        Bench([2]).forwarder.load(snapshot)


def test_an_unknown_link_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no link 'nope'\n  Available: l0, l1"):
        Bench().forwarder.set("nope", CUT, CUT)


@given(
    sent=traffic,
    state=st.builds(
        DirectionState,
        mode=st.sampled_from(Mode),
        delay_ms=st.floats(0, 3),
        loss=st.floats(0, 1),
    ),
    link=st.integers(0, 3),
    step=st.integers(0, 2 * MS),
)
def test_whatever_the_fault_no_frame_is_invented_or_repeated_and_all_are_counted(
    sent: list[tuple[int, int | bytes]], state: DirectionState, link: int, step: int
) -> None:
    bench = Bench([4])
    bench.forwarder.set(f"l{link}", state, state)
    for number, (source, target) in enumerate(sent):
        bench.send(source, numbered(source, target, number))
        bench.advance(step)
        assert bench.counters_add_up()
    bench.advance(10 * MS)
    for receiver in range(4):
        arrived = bench.arrived(receiver)
        assert len(set(arrived)) == len(arrived)
        own = {numbered(source, to, n) for n, (source, to) in enumerate(sent) if source != receiver}
        assert set(arrived) <= own
    assert all(
        each.in_flight == 0
        for status in bench.forwarder.status()
        for each in (status.counters.tx, status.counters.rx)
    )
