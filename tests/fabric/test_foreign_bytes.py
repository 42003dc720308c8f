"""No frame and no request stops the fabric, and its counters add up whatever arrives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.fabric.control import answer
from edge_lab.fabric.impairment import GilbertElliott
from edge_lab.fabric.state import CUT, DirectionState, FlapTimes, Match, Mode
from tests.budget import examples
from tests.fabric.wires import MS, Bench, frame, ipv4, numbered, tcp

STATES = (
    DirectionState(),
    CUT,
    DirectionState(mode=Mode.DROP, match=Match(protocol="tcp", ports=(80,))),
    DirectionState(mode=Mode.HALF_OPEN),
    DirectionState(flap=FlapTimes(period_ms=10, duty=0.5, count=3)),
    DirectionState(duplicate=0.5, corrupt=0.5, mtu=68),
    DirectionState(delay_ms=5, jitter_ms=5, reorder=0.5, burst_loss=GilbertElliott(p=0.5, r=0.5)),
    DirectionState(rate_kbit=1000, burst_bytes=100),
)

frames = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=60).map(lambda data: frame(0, 1, data)),
    st.builds(ipv4, st.integers(0, 255), st.binary(max_size=60), options=st.integers(0, 10)),
    st.builds(lambda flags, cut: tcp(flags)[:cut], st.integers(0, 255), st.integers(0, 60)),
    st.integers(1500, 65_507).map(bytes),
)

ANSWERS = ("result", "trouble")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def refuse_captures(link: str, to: str) -> Any:
    raise AssertionError("a capture was requested by accident")


def answered(bench: Bench, line: bytes) -> dict[str, Any]:
    said = answer(bench.forwarder, line, refuse_captures)
    assert said.endswith(b"\n")
    assert said.count(b"\n") == 1
    reply: dict[str, Any] = json.loads(said)
    return reply


def forwards(bench: Bench) -> bool:
    """Whether frames still go through, once the link is healed."""
    bench.forwarder.heal(None)
    bench.advance(10_000 * MS)
    before = len(bench.arrived(1))
    bench.send(0, numbered(0, 1, 7))
    bench.advance(10 * MS)
    return len(bench.arrived(1)) == before + 1


@settings(max_examples=examples(60))
@given(state=st.sampled_from(STATES), sent=st.lists(frames, max_size=12))
def test_no_frame_stops_the_fabric(state: DirectionState, sent: list[bytes]) -> None:
    bench = Bench()
    bench.forwarder.set("l0", state, state)
    bench.send(0, *sent)
    bench.send(1, *sent)
    bench.advance(100 * MS)
    assert bench.counters_add_up()
    assert forwards(bench)
    assert bench.counters_add_up()


@settings(max_examples=examples(60))
@given(line=st.binary(max_size=300) | values.map(lambda value: json.dumps(value).encode()))
def test_no_request_stops_the_fabric(line: bytes) -> None:
    bench = Bench()
    assert answered(bench, line.replace(b"\n", b" "))["trouble"]
    assert forwards(bench)


def test_a_request_without_end_is_refused() -> None:
    bench = Bench()
    for line in (b"[" * 100_000, b'{"op":' * 50_000, b"1" * 100_000, b"\xff" * 1000):
        assert answered(bench, line)["trouble"]
    assert forwards(bench)


@st.composite
def altered(draw: st.DrawFn, tree: Any) -> Any:
    """The JSON tree with something else at one place."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(tree)))
        return {**tree, key: draw(altered(tree[key]))}
    return draw(values | st.integers(0, 2**200))


def saved() -> Any:
    bench = Bench()
    state = DirectionState(delay_ms=5, jitter_ms=1, loss=0.5, duplicate=0.5, reorder=0.5)
    bench.forwarder.set("l0", state, DirectionState(mode=Mode.HALF_OPEN))
    bench.forwarder.set("l1", DirectionState(burst_loss=GilbertElliott(p=0.5, r=0.5)), None)
    bench.send(0, numbered(0, 1, 1))
    return bench.forwarder.snapshot().model_dump(mode="json")


@settings(max_examples=examples(100))
@given(snapshot=altered(saved()))
def test_a_snapshot_that_was_altered_is_refused_or_taken_whole(snapshot: Any) -> None:
    bench = Bench()
    line = json.dumps({"op": "load", "snapshot": snapshot}).encode()
    assert set(answered(bench, line)) <= set(ANSWERS)
    bench.send(0, *(numbered(0, 1, number) for number in range(20)))
    bench.send(1, *(tcp(2) for _ in range(5)))
    bench.advance(1000 * MS)
    assert forwards(bench)


@pytest.mark.parametrize("digits", [20, 40, 60, 4000])
def test_a_snapshot_with_numbers_beyond_all_bounds_does_no_harm(digits: int) -> None:
    for place in ("positions", "memory"):
        snapshot = saved()
        for direction in snapshot["links"]["l0"].values():
            direction[place] = dict.fromkeys(("loss", "duplicate", "jitter", "reorder"), 10**digits)
        bench = Bench()
        answered(bench, json.dumps({"op": "load", "snapshot": snapshot}).encode())
        bench.send(0, *(numbered(0, 1, index) for index in range(20)))
        assert forwards(bench)


def test_those_tests_see_a_fabric_that_does_not_forward() -> None:
    bench = Bench()
    bench.wires[1].refuses = True
    assert not forwards(bench)
