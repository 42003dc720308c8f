"""What becomes of frames that are under way when a direction's state changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.fabric import CLEAR, CUT, DirectionState, Reason
from edge_lab.fabric.impairment import LONGEST_DELAY_MS

from .wires import MS, Bench, number_of, numbered

MINUTE = DirectionState(delay_ms=LONGEST_DELAY_MS)


def numbers(bench: Bench, link: int = 1) -> list[int]:
    return [number_of(data) for data in bench.arrived(link)]


def send(bench: Bench, first: int, count: int = 1, length: int = 0) -> None:
    bench.send(0, *(numbered(0, 1, first + at, length) for at in range(count)))


@pytest.mark.parametrize("way", ["tx", "rx"])
@pytest.mark.parametrize(
    "state",
    [
        MINUTE,
        DirectionState(delay_ms=50_000, jitter_ms=10, distribution="pareto"),
        DirectionState(delay_ms=50_000, reorder=0.000_001),
        DirectionState(rate_kbit=1),
    ],
    ids=str,
)
def test_what_a_fault_holds_arrives_at_its_heal_and_before_what_comes_then(
    way: str, state: DirectionState
) -> None:
    bench = Bench()
    link = "l0" if way == "tx" else "l1"
    tx, rx = (state, None) if way == "tx" else (None, state)
    bench.forwarder.set(link, tx, rx)
    for number in range(3):
        send(bench, number)
        bench.advance(20 * MS)  # more than jitter
    assert numbers(bench) == []
    bench.forwarder.heal(link)
    send(bench, 3)
    assert sorted(numbers(bench)) == [0, 1, 2, 3]
    assert numbers(bench)[3] == 3
    bench.advance(120_000 * MS)
    assert len(numbers(bench)) == 4
    assert bench.tx(0).in_flight == 0
    assert bench.counters_add_up()
    assert bench.forwarder.next_due is None


def test_a_heal_of_all_lets_those_go_first_that_have_come_farther() -> None:
    bench = Bench()
    bench.forwarder.set("l1", None, MINUTE)
    send(bench, 0)
    bench.forwarder.set("l0", MINUTE, None)
    send(bench, 1)
    bench.forwarder.heal(None)
    assert numbers(bench) == [0, 1]


def test_a_shorter_delay_holds_for_those_under_way_too() -> None:
    bench = Bench()
    bench.forwarder.set("l0", MINUTE, None)
    send(bench, 0)
    bench.forwarder.set("l0", DirectionState(delay_ms=10), None)
    send(bench, 1)
    bench.advance(9 * MS)
    assert numbers(bench) == []
    bench.advance(2 * MS)
    assert numbers(bench) == [0, 1]


def test_a_longer_delay_is_not_for_those_that_were_under_way() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=10), None)
    send(bench, 0)
    bench.forwarder.set("l0", MINUTE, None)
    bench.advance(11 * MS)
    assert numbers(bench) == [0]


def test_the_same_state_once_more_changes_nothing() -> None:
    bench = Bench()
    slow = DirectionState(delay_ms=10)
    bench.forwarder.set("l0", slow, None)
    send(bench, 0)
    bench.advance(9 * MS)
    bench.forwarder.set("l0", slow, None)
    bench.advance(2 * MS)
    assert numbers(bench) == [0]


def test_a_wider_line_takes_what_waits_before_it_in_its_order_and_drops_none() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(rate_kbit=1), None)
    send(bench, 0, count=10, length=1_000)
    bench.forwarder.set("l0", DirectionState(rate_kbit=8_000, queue_frames=2), None)  # 1 ms each
    bench.advance(int(4.9 * MS))
    assert numbers(bench) == [0, 1, 2, 3]
    bench.advance(6 * MS)
    assert numbers(bench) == list(range(10))
    assert bench.tx(0).dropped == {}
    assert bench.counters_add_up()


def test_a_cut_takes_those_that_are_under_way() -> None:
    bench = Bench()
    bench.forwarder.set("l0", MINUTE, None)
    send(bench, 0, count=3)
    bench.forwarder.set("l0", CUT, None)
    assert bench.tx(0).dropped == {Reason.CUT: 3}
    bench.forwarder.heal("l0")
    assert numbers(bench) == []
    assert bench.counters_add_up()


def test_a_heal_of_one_direction_leaves_those_in_the_other() -> None:
    bench = Bench()
    bench.forwarder.set("l0", MINUTE, MINUTE)
    send(bench, 0)
    bench.send(1, numbered(1, 0, 7))
    bench.forwarder.set("l0", CLEAR, None)
    assert (numbers(bench, 1), numbers(bench, 0)) == ([0], [])
    bench.advance(60_001 * MS)
    assert numbers(bench, 0) == [7]


@given(
    steps=st.lists(
        st.one_of(
            st.integers(1, 40),
            st.sampled_from(
                [
                    CLEAR,
                    CUT,
                    MINUTE,
                    DirectionState(delay_ms=3, jitter_ms=5),
                    DirectionState(rate_kbit=100, delay_ms=1, duplicate=0.2),
                    DirectionState(delay_ms=5, corrupt=0.5),
                ]
            ),
        ),
        max_size=20,
    )
)
def test_whatever_changes_no_frame_is_forgotten_or_doubled(
    steps: list[int | DirectionState],
) -> None:
    bench = Bench()
    sent = 0
    for step in steps:
        if isinstance(step, int):
            send(bench, sent, count=step, length=100)
            sent += step
            bench.advance(MS // 2)
        else:
            bench.forwarder.set("l0", step, None)
        assert bench.counters_add_up()
    bench.forwarder.heal(None)
    assert bench.counters_add_up()
    assert bench.forwarder.next_due is None
    counted = bench.tx(0)
    assert counted.frames == sent
    assert len(numbers(bench)) == counted.forwarded == sent + counted.copies - counted.lost
