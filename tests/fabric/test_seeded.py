"""The same seed has the same effect, however frames are batched, and through checkpoints."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.fabric import CLEAR, DirectionState, GilbertElliott, Match, Mode
from edge_lab.fabric.snapshots import FabricSnapshot
from edge_lab.fabric.stages import TICK_NS
from tests.budget import examples

from .wires import BROADCAST, MS, Bench, ipv4, number_of, numbered

SECOND = 1_000 * MS
BURSTS = GilbertElliott(p=0.2, r=0.4, bad=0.9, good=0.1)

CHANCES = {
    "loss": DirectionState(loss=0.3),
    "burst_loss": DirectionState(burst_loss=BURSTS),
    "duplicate": DirectionState(duplicate=0.3),
    "corrupt": DirectionState(corrupt=0.3),
    "jitter": DirectionState(delay_ms=5, jitter_ms=5),
    "normal": DirectionState(delay_ms=5, jitter_ms=5, distribution="normal"),
    "pareto": DirectionState(delay_ms=5, jitter_ms=5, distribution="pareto"),
    "reorder": DirectionState(delay_ms=5, reorder=0.3),
    "everything": DirectionState(
        mode=Mode.HALF_OPEN,
        delay_ms=5,
        jitter_ms=3,
        distribution="normal",
        burst_loss=BURSTS,
        duplicate=0.3,
        reorder=0.3,
        corrupt=0.3,
        rate_kbit=5_000,
        burst_bytes=2_000,
        queue_frames=200,
        mtu=200,
    ),
}
CERTAIN = {
    "rate": DirectionState(rate_kbit=1_000, burst_bytes=3_000),
    "mtu": DirectionState(mtu=100),
    "delay": DirectionState(delay_ms=5),
    "match": DirectionState(mode=Mode.DROP, match=Match(protocol="udp")),
}
STATES = CHANCES | CERTAIN

Came = list[tuple[int, bytes]]


def frames_from(first: int, count: int) -> list[bytes]:
    """Frames of several lengths, every fifth a UDP datagram."""
    return [
        ipv4(17, n.to_bytes(8, "big")) if n % 5 == 0 else numbered(0, 1, n, 20 + n * 37 % 300)
        for n in range(first, first + count)
    ]


def sends(bench: Bench, frames: list[bytes], chunks: list[int]) -> Came:
    """What comes, and how long after now, when all is sent now in `chunks`."""
    bench.arrived(1).clear()
    bench.wires[1].times.clear()
    start, at = bench.now, 0
    for chunk in [*chunks, len(frames)]:
        bench.send(0, *frames[at : at + chunk])
        at += chunk
    bench.advance(100 * SECOND)
    assert bench.counters_add_up()
    times = [each - start for each in bench.wires[1].times]
    return list(zip(times, bench.arrived(1), strict=True))


def fate(state: DirectionState, seed: int, chunks: list[int]) -> Came:
    bench = Bench(seed=seed)
    bench.forwarder.set("l0", state, None)
    return sends(bench, frames_from(0, 150), chunks)


@pytest.mark.parametrize("name", STATES)
@settings(max_examples=examples(12))
@given(seed=st.integers(0, 2**64), chunks=st.lists(st.integers(1, 60), max_size=6))
def test_one_seed_has_one_fate_however_frames_are_batched(
    name: str, seed: int, chunks: list[int]
) -> None:
    assert fate(STATES[name], seed, chunks) == fate(STATES[name], seed, [])


@pytest.mark.parametrize("name", CHANCES)
def test_another_seed_has_another_fate(name: str) -> None:
    assert fate(STATES[name], 1, []) != fate(STATES[name], 2, [])


@pytest.mark.parametrize("name", STATES)
@settings(max_examples=examples(12))
@given(before=st.integers(0, 150), ticks=st.integers(0, 300))
def test_a_checkpoint_in_the_middle_changes_no_fate(name: str, before: int, ticks: int) -> None:
    bench, other = Bench(seed=9), Bench(seed=77)
    bench.forwarder.set("l0", STATES[name], None)
    sends(bench, frames_from(0, before), [])
    # Frames in flight are lost with a checkpoint; these have passed, but the bucket of the
    # line is not full again.
    bench.send(0, *frames_from(1_000, 5))
    bench.advance(ticks * TICK_NS)
    while bench.tx(0).in_flight:
        bench.advance(TICK_NS)
    text = bench.forwarder.snapshot().model_dump_json()
    other.now = 123 * SECOND
    other.forwarder.load(FabricSnapshot.model_validate_json(text))
    assert other.forwarder.snapshot() == bench.forwarder.snapshot()
    later = frames_from(5_000, 100)
    assert sends(other, later, []) == sends(bench, later, [40])


def test_the_bucket_of_a_line_is_as_full_after_a_checkpoint_as_before() -> None:
    bench, other = Bench(), Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=8, burst_bytes=1_000), None)
    bench.send(0, numbered(0, 1, 0, 800))
    bench.advance(300 * MS)  # 500 of 1,000 bytes are there again
    snapshot = bench.forwarder.snapshot()
    assert snapshot.links["l0"].tx.memory == {"rate": 500 * MS}
    other.now = 7 * SECOND
    other.forwarder.load(snapshot)
    later = [numbered(0, 1, n, 400) for n in range(3)]
    came = sends(other, later, [])
    assert came == sends(bench, later, [])
    assert [at for at, _ in came] == [0, 300 * MS, 700 * MS]


def test_frames_that_a_checkpoint_flushes_leave_the_line_free() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=8, burst_bytes=1_000), None)
    bench.send(0, *[numbered(0, 1, n, 1_000) for n in range(5)])
    assert bench.tx(0).in_flight == 4
    bench.forwarder.load(bench.forwarder.snapshot())
    bench.advance(SECOND)
    assert [at for at, _ in sends(bench, [numbered(0, 1, 9, 1_000)], [])] == [0]


def test_one_fault_does_not_change_the_random_numbers_of_another() -> None:
    def lost(state: DirectionState) -> set[int]:
        frames = [numbered(0, 1, n) for n in range(300)]
        bench = Bench(seed=4)
        bench.forwarder.set("l0", state, None)
        came = {number_of(data) for _, data in sends(bench, frames, [])}
        return set(range(300)) - came

    alone = lost(DirectionState(loss=0.2))
    assert alone
    assert alone == lost(
        DirectionState(loss=0.2, delay_ms=5, jitter_ms=4, reorder=0.2, duplicate=0.3)
    )


impairments = st.fixed_dictionaries(
    {},
    optional={
        "delay_ms": st.floats(0.01, 3),
        "jitter_ms": st.floats(0, 3),
        "loss": st.floats(0, 1),
        "duplicate": st.floats(0, 1),
        "corrupt": st.floats(0, 1),
        "mtu": st.integers(68, 200),
        "line": st.tuples(st.floats(100, 1e6), st.integers(0, 3_000), st.integers(1, 40)),
        "reorder": st.floats(0, 1),
        "mode": st.sampled_from(Mode),
        "match": st.sampled_from([Match(), Match(protocol="udp")]),
    },
)


def state_of(drawn: dict[str, object]) -> DirectionState:
    """A state that is possible, of whatever was drawn."""
    line = drawn.pop("line", None)
    if isinstance(line, tuple):
        drawn |= dict(zip(("rate_kbit", "burst_bytes", "queue_frames"), line, strict=True))
    if "delay_ms" not in drawn:
        drawn.pop("reorder", None)
    if drawn.get("mode") is not Mode.DROP:
        drawn.pop("match", None)
    return DirectionState.model_validate(drawn)


@given(
    one=impairments.map(state_of),
    two=impairments.map(state_of),
    sent=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2) | st.just(BROADCAST), st.integers(0, 250)),
        max_size=60,
    ),
    step=st.integers(0, 2 * MS),
)
def test_whatever_the_faults_all_frames_and_copies_are_counted_and_none_is_invented(
    one: DirectionState,
    two: DirectionState,
    sent: list[tuple[int, int | bytes, int]],
    step: int,
) -> None:
    bench = Bench([3])
    bench.forwarder.set("l0", one, two)
    bench.forwarder.set("l1", two, one)
    frames = []
    for number, (source, target, length) in enumerate(sent):
        frames.append(numbered(source, target, number, length))
        bench.send(source, frames[-1])
        bench.advance(step)
        assert bench.counters_add_up()
        if number == 30:
            bench.forwarder.set("l0", two, None)
    bench.advance(1_000 * SECOND)
    assert bench.counters_add_up()
    changed = any(
        each.corrupted
        for status in bench.forwarder.status()
        for each in (status.counters.tx, status.counters.rx)
    )
    for link in range(3):
        came = Counter(bench.arrived(link))
        assert all(times <= 4 for times in came.values())
        assert changed or set(came) <= set(frames)
        assert Counter(map(len, bench.arrived(link))).keys() <= set(map(len, frames))
    assert all(
        each.in_flight == 0
        for status in bench.forwarder.status()
        for each in (status.counters.tx, status.counters.rx)
    )


def test_with_no_fault_active_nothing_of_all_this_happens() -> None:
    frames = frames_from(0, 300)
    bench = Bench()
    bench.forwarder.set("l0", STATES["everything"], STATES["everything"])
    bench.forwarder.heal("l0")
    bench.forwarder.set("l0", CLEAR, None)
    assert sends(bench, frames, [7, 100]) == [(0, each) for each in frames]
    for status in bench.forwarder.status():
        for each in (status.counters.tx, status.counters.rx):
            assert (each.copies, each.corrupted, each.in_flight, each.dropped) == (0, 0, 0, {})
