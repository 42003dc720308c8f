"""The exporter's log and a view's answers, read; and what is none of either."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.metrics.names import DEVICE_SEQUENCE, SCRAPES, UP
from edge_lab.addons.metrics.records import (
    Answer,
    Origin,
    Served,
    Stored,
    failed_scrapes,
    parse_answer,
    parse_served,
    raw_samples,
    selector,
    stored_samples,
)
from edge_lab.core.errors import LabError

LINES = (
    '{"sender":"agent","number":1,"time":5,"devices":{"boiler":9}}\n'
    '{"sender":"vmagent","number":1,"time":6,"devices":{}}\n'
    '{"sender":"agent","number":2,"time":7,"devices":{}}\n'
    '{"sender":"agent","doubtful":2}\n'
)


def test_a_log_is_read_by_sender() -> None:
    assert parse_served(LINES) == {
        "agent": (Served(1, 5, {"boiler": 9}), Served(2, 7, {}, doubtful=True)),
        "vmagent": (Served(1, 6),),
    }
    assert parse_served("") == {}


@pytest.mark.parametrize(
    "line", ["x", "[]", "7", "null", '{"sender":"a"}', '{"sender":"a","number":"x"}', "{"]
)
def test_a_line_that_is_none_is_the_labs_trouble(line: str) -> None:
    with pytest.raises(LabError, match="line 2"):
        parse_served(f'{{"sender":"a","doubtful":1}}\n{line}\n')


def answer(kind: str, result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def test_answers_of_both_kinds_are_read() -> None:
    labels = {"node": "edge-arm"}
    vector = answer("vector", [{"metric": labels, "value": [1.5, "7"]}])
    matrix = answer("matrix", [{"metric": labels, "values": [[1.5, "7"], [2.5, "8"]]}])
    assert parse_answer(vector) == (Answer(labels, ((1.5, 7.0),)),)
    assert parse_answer(matrix) == (Answer(labels, ((1.5, 7.0), (2.5, 8.0))),)


@given(st.one_of(st.text(), st.just('{"status": "error", "error": "bad"}')))
def test_what_is_no_answer_is_the_labs_trouble(text: str) -> None:
    with pytest.raises(LabError):
        parse_answer(text)


def test_a_partial_response_is_refused_where_all_samples_are_needed() -> None:
    vector = '{"status":"success","data":{"resultType":"vector","result":[]}'
    partial = vector + ',"warnings":["receive series from 10.77.0.11:10901: deadline exceeded"]}'
    assert parse_answer(vector + "}", whole=True) == parse_answer(partial) == ()
    with pytest.raises(LabError, match=r"partial: receive series from 10\.77\.0\.11"):
        parse_answer(partial, whole=True)


def series(sender: str, *samples: tuple[float, float], device: str = "") -> Answer:
    labels = {"node": "edge-arm", "sender": sender} | ({"device": device} if device else {})
    return Answer(labels, samples)


def test_samples_of_one_sender_and_one_stamp_belong_together() -> None:
    counts = [series("agent", (10.0, 2.0), (8.0, 1.0)), series("vmagent", (8.0, 5.0))]
    devices = [
        series("agent", (8.0, 100.0), device="boiler"),
        series("agent", (8.0, 7.0), (10.0, 8.0), device="press"),
    ]
    assert stored_samples(counts, devices) == {
        Origin("edge-arm", "agent"): (
            Stored(1, 8_000_000_000, {"boiler": 100, "press": 7}),
            Stored(2, 10_000_000_000, {"press": 8}),
        ),
        Origin("edge-arm", "vmagent"): (Stored(5, 8_000_000_000),),
    }


def test_a_scrape_whose_up_is_0_is_reported_as_failed() -> None:
    reports = [series("agent", (10.0, 0.0), (8.0, 1.0), (6.0, 0.0)), series("vmagent", (8.0, 1.0))]
    assert failed_scrapes(reports) == {
        Origin("edge-arm", "agent"): (6_000_000_000, 10_000_000_000),
        Origin("edge-arm", "vmagent"): (),
    }


def test_queries_are_for_raw_samples() -> None:
    assert [raw_samples(series, 60.2) for series in (SCRAPES, DEVICE_SEQUENCE, UP)] == [
        "edge_lab_scrapes_total[61s]",
        "edge_lab_device_sequence[61s]",
        'up{job="edge-lab"}[61s]',
    ]
    assert selector("up", "edge-arm", "agent") == 'up{node="edge-arm",sender="agent"}'
