"""Continuation points, and what the log says of refusals."""

from __future__ import annotations

import logging

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError

from edge_lab.devices.continuation import ContinuationPoints, Rest
from edge_lab.devices.refusals import RefusalLog, attribute_name


def refusal(points: ContinuationPoints[int], point: bytes | None, about: object = None) -> str:
    with pytest.raises(ServiceError) as caught:
        points.take(point, about)
    return str(ua.StatusCode(caught.value.code).name)


def rest(count: int, most: int, about: object = "a") -> Rest[int]:
    return Rest(about, tuple(range(count)), most)


def test_an_answer_comes_in_parts_each_once() -> None:
    points: ContinuationPoints[int] = ContinuationPoints()
    points.begin()
    first, point = points.divide(rest(5, 2))
    assert first == (0, 1)
    assert point
    points.begin()
    second, later = points.divide(points.take(point, "a"))
    assert second == (2, 3)
    assert refusal(points, point) == "BadContinuationPointInvalid"
    third, end = points.divide(points.take(later))
    assert (third, end) == ((4,), None)


@pytest.mark.parametrize(("count", "most"), [(0, 2), (2, 2), (9, 0)])
def test_what_fits_needs_no_point(count: int, most: int) -> None:
    points: ContinuationPoints[int] = ContinuationPoints(most=0)
    assert points.divide(rest(count, most)) == (tuple(range(count)), None)


def test_a_point_is_of_what_it_was_given_for() -> None:
    points: ContinuationPoints[int] = ContinuationPoints()
    _, point = points.divide(rest(5, 2))
    for wrong in (None, b"", b"junk"):
        assert refusal(points, wrong) == "BadContinuationPointInvalid"
    assert refusal(points, point, "b") == "BadContinuationPointInvalid"
    assert points.take(point, "a").items == (2, 3, 4)


def test_earlier_requests_make_room_but_not_the_same_one() -> None:
    points: ContinuationPoints[int] = ContinuationPoints(most=2)
    points.begin()
    _, oldest = points.divide(rest(5, 2))
    points.begin()
    _, kept = points.divide(rest(5, 2))
    _, newest = points.divide(rest(5, 2))
    assert refusal(points, oldest) == "BadContinuationPointInvalid"
    with pytest.raises(ServiceError) as caught:
        points.divide(rest(5, 2))
    assert caught.value.code == ua.StatusCodes.BadNoContinuationPoints
    assert points.take(kept)
    assert points.take(newest)


def test_a_refusal_is_told_once_until_it_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    refusals = RefusalLog(most=2)
    code = int(ua.StatusCodes.BadNodeIdUnknown)
    with caplog.at_level(logging.WARNING):
        for node_id in ("a", "a", "b", "a", "c", "b"):
            refusals.note("read", node_id, code)
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"read of {node_id}: BadNodeIdUnknown" for node_id in ("a", "b", "c", "b")]


def test_an_attribute_has_a_name_or_a_number() -> None:
    assert attribute_name(13) == "Value"
    assert attribute_name(99) == "attribute 99"
