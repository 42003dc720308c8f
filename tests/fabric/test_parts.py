"""The small parts: runs, timers, stream, switch table, message groups, configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import InputError
from edge_lab.fabric import CLEAR, CUT, DirectionState, FabricConfig, LinkConfig, LinkStatus
from edge_lab.fabric.counters import Counters, LinkCounters
from edge_lab.fabric.framebuffer import FrameBuffer, count, first, join, slots
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.switch import MOST_ADDRESSES, Switch, address
from edge_lab.fabric.timerqueue import TimerQueue
from edge_lab.fabric.wire import groups

runs_of = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=8).map(
    lambda gaps: [
        (sum(a + b for a, b in gaps[:n]) + gap, sum(a + b for a, b in gaps[:n]) + gap + size)
        for n, (gap, size) in enumerate(gaps)
    ]
)


@given(runs=runs_of, frames=st.integers(0, 60))
def test_parting_runs_keeps_every_slot_in_its_place(
    runs: list[tuple[int, int]], frames: int
) -> None:
    head, rest = first(runs, frames)
    assert count(head) == min(frames, count(runs))
    assert [*slots(head), *slots(rest)] == list(slots(runs))


@given(first=runs_of, second=runs_of)
def test_joining_runs_keeps_every_slot_in_its_place(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    joined = list(first)
    join(joined, second)
    assert [*slots(joined)] == [*slots(first), *slots(second)]


@given(dues=st.lists(st.integers(0, 5), max_size=50))
def test_timers_are_in_order_of_time_and_equal_times_in_order_of_entry(
    dues: list[int],
) -> None:
    timers: TimerQueue[tuple[int, int]] = TimerQueue()
    for number, due in enumerate(dues):
        timers.add(due, (due, number))
    assert timers.next_due == min(dues, default=None)
    early = list(timers.due(2))
    assert early == sorted(each for each in early if each[0] <= 2)
    assert timers.clear() == sorted((due, n) for n, due in enumerate(dues) if due > 2)
    assert len(timers) == 0


@given(seed=st.integers(), position=st.integers(0, 200))
def test_random_streams_go_on_from_any_position(seed: int, position: int) -> None:
    stream = RandomStream(seed, "link", "tx")
    drawn = [stream.random() for _ in range(position + 10)]
    again = RandomStream(seed, "link", "tx")
    again.seek(position)
    assert [again.random() for _ in range(10)] == drawn[position:]
    assert all(0 <= each < 1 for each in drawn)


def test_random_streams_of_different_labels_differ_and_are_even() -> None:
    streams = [
        [stream.random() for _ in range(2000)]
        for stream in (
            RandomStream(1, "a", "bc"),
            RandomStream(1, "ab", "c"),
            RandomStream(2, "a", "bc"),
        )
    ]
    assert len({tuple(each) for each in streams}) == 3
    for drawn in streams:
        assert sum(drawn) / len(drawn) == pytest.approx(0.5, abs=0.04)


def test_the_switch_follows_an_address_that_moves() -> None:
    switch, buffer = Switch((0, 1, 2)), FrameBuffer()
    sender = address("52:54:00:ed:00:07")
    data = b"\xff" * 6 + bytes.fromhex("525400ed0007") + b"\x08\0"
    assert set(switch.route(0, buffer, [buffer.put(data)])) == {1, 2}
    assert switch.knows(sender) == 0
    switch.route(2, buffer, [buffer.put(data)])
    assert switch.knows(sender) == 2
    switch.forget(2)
    assert switch.knows(sender) is None


def test_a_flood_of_invented_addresses_does_not_fill_memory() -> None:
    switch, buffer = Switch((0, 1, 2)), FrameBuffer()
    for number in range(MOST_ADDRESSES + 50):
        buffer.reset()
        source = b"\x02" + number.to_bytes(5, "big")
        switch.route(0, buffer, [buffer.put(b"\xff" * 6 + source + b"\x08\0")])
    known = [
        n
        for n in range(MOST_ADDRESSES + 50)
        if switch.knows(int.from_bytes(b"\x02" + n.to_bytes(5, "big"), "little")) is not None
    ]
    assert known == list(range(50, MOST_ADDRESSES + 50))


@given(st.lists(st.one_of(st.sampled_from([64, 1514, 9000]), st.integers(14, 65_507)), min_size=1))
def test_the_kernel_can_cut_each_group_into_the_same_frames(lengths: list[int]) -> None:
    at = 0
    for members in groups(lengths):
        group = lengths[at : at + members]
        assert all(each == group[0] for each in group[:-1])
        assert group[-1] <= group[0]
        assert members == 1 or (sum(group) <= 65_507 and members <= 64)
        at += members
    assert at == len(lengths)


def link(name: str, network: str, port: int) -> LinkConfig:
    return LinkConfig(name=name, network=network, fabric_port=port, endpoint_port=port + 1)


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    config = FabricConfig(networks=("n",), links=(link("a", "n", 5000),), seed=7)
    config.write(tmp_path / "fabric.json")
    assert FabricConfig.read(tmp_path / "fabric.json") == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"networks": [], "links": [], "sed": 1}', "sed: Extra inputs"),
        ('{"networks": ["n", "n"], "links": []}', "two networks"),
        (
            '{"networks": ["n"], "links": [{"name": "a", "network": "m", '
            '"fabric_port": 1, "endpoint_port": 2}]}',
            "link a: there is no network 'm'",
        ),
        (
            '{"networks": ["n"], "links": [{"name": "a", "network": "n", '
            '"fabric_port": 9, "endpoint_port": 9}]}',
            "used twice: 9",
        ),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "fabric.json"
    file.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        FabricConfig.read(file)
    assert str(file) in str(caught.value)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nope\.json: cannot read"):
        FabricConfig.read(tmp_path / "nope.json")


def test_a_link_says_its_state_in_words() -> None:
    none = LinkCounters(tx=Counters(), rx=Counters())

    def words(tx: DirectionState, rx: DirectionState) -> str:
        return LinkStatus(name="a", network="n", tx=tx, rx=rx, counters=none).state

    slow = DirectionState(delay_ms=20, loss=0.01)
    assert words(CLEAR, CLEAR) == "up"
    assert words(CUT, CUT) == "cut"
    assert words(CUT, slow) == "tx cut; rx delay 20 ms, loss 1 %"
