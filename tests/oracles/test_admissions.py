"""How long a peer is let in, by a series of tries."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.probes.record import Ended, HttpAnswer, ProbeRecord, Step
from suites.identity.admission import admissions, shut_after

IN, OUT, BROKEN = 200, 401, 503


def record(status: int) -> ProbeRecord:
    return ProbeRecord(
        endpoint="server/api",
        probe="right",
        client="edge-arm",
        address="10.77.0.1",
        port=6443,
        step=Step.ANSWER,
        ended=Ended.ANSWERED,
        http=HttpAnswer(status=status),
        seconds=0.1,
        time=0,
    )


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        ([], None),
        ([(0, True)], None),
        ([(0, False)], 0),
        ([(0, True), (5, False), (9, False)], 5),
        ([(0, True), (5, False), (9, True)], None),
        ([(0, False), (5, True), (9, False)], 9),
    ],
)
def test_a_peer_is_shut_out_when_it_is_never_let_in_again(
    met: list[tuple[float, bool]], expected: float | None
) -> None:
    assert shut_after(met) == expected


def test_it_is_tried_until_all_endpoints_turn_it_away() -> None:
    answers: dict[str, Iterator[int]] = {"a": iter([IN, OUT, OUT]), "b": iter([IN, IN, OUT])}
    tries = {name: lambda mine=mine: record(next(mine)) for name, mine in answers.items()}
    met = admissions(tries, Deadline.after(30), 0.0, time.monotonic())
    assert {name: len(records) for name, records in met.met.items()} == {"a": 3, "b": 3}
    first, second = met.shut_after("a"), met.shut_after("b")
    assert first is not None
    assert second is not None
    assert first < second


def test_one_that_is_let_in_to_the_end_has_no_time() -> None:
    met = admissions({"a": lambda: record(IN)}, Deadline.after(0.0), 0.0, time.monotonic())
    assert met.shut_after("a") is None
    assert len(met.last) == 1
