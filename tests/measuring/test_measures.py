"""Measures as data and as text, and what of several runs stands in a table."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge_lab.measuring.measures import COUNT, Better, Measure, identifier, number_text
from edge_lab.measuring.spread import spread
from tests.budget import examples


def measure(name: str = "leak", value: float | None = 7, **more: Any) -> Measure:
    more = {"unit": "MiB", "reason": "" if value is not None else "not seen", **more}
    return Measure(name=name, value=value, **more)


def lines(*measures: Measure) -> dict[str, str]:
    return {line.title: line.text for line in spread(measures)}


# -- as data -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "two words"}, ()),
        ({"name": "9lives"}, ()),
        ({"name": ""}, ()),
        ({"value": math.nan}, ("value",)),
        ({"value": math.inf}, ("value",)),
        ({"value": "7"}, ("value",)),
        ({"value": True}, ("value",)),
        ({"value": None, "reason": ""}, ()),
        ({"value": 7, "reason": "not seen"}, ()),
        ({"unit": ""}, ("unit",)),
        ({"unit": "per second"}, ("unit",)),
        ({"unit": "MiB\n"}, ("unit",)),
        ({"better": "faster"}, ("better",)),
        ({"evidence": "one\ntwo"}, ("evidence",)),
        ({"heading": "x" * 1000}, ("heading",)),
    ],
)
def test_what_is_no_measure_is_refused(change: dict[str, Any], field: tuple[str, ...]) -> None:
    measure()
    with pytest.raises(ValidationError) as refused:
        measure(**change)
    places = {trouble["loc"][:1] for trouble in refused.value.errors()}
    assert places == {field}


@pytest.mark.parametrize("unit", ["s", "MiB", "%", "1/s", "°C", "€", COUNT])
def test_any_symbol_is_a_unit(unit: str) -> None:
    assert measure(unit=unit).unit == unit


@settings(max_examples=examples(60))
@given(
    st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    st.sampled_from(Better),
)
def test_a_measure_is_read_as_it_was_written(value: float, better: Better) -> None:
    written = measure(value=value, better=better, node="edge-arm", evidence="/proc/meminfo")
    read = Measure.model_validate_json(written.model_dump_json())
    assert read == written
    assert type(read.value) is type(written.value)


# -- as text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0.0"),
        (812, "812"),
        (1_234_567, "1234567"),
        (0.0314159, "0.0314"),
        (0.97, "0.97"),
        (41.0, "41.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (1234.5, "1234"),
        (-2.25, "-2.2"),
        (1e300, "1e+300"),
    ],
)
def test_a_number_has_the_digits_that_one_can_use(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_measure_reads_as_a_line() -> None:
    assert str(measure(node="edge-arm")) == "edge-arm: leak: 7 MiB"
    assert str(measure(value=None)) == "leak: – (not seen)"
    assert str(measure(unit=COUNT, label="lost")) == "leak, lost: 7"
    assert str(measure(unit="%")) == "leak: 7%"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("twin latency p99", "twin_latency_p99"),
        ("  RSS (MiB) ", "rss_mib"),
        ("Größe", "größe"),
        ("…", ""),
    ],
)
def test_a_title_gives_a_name(title: str, name: str) -> None:
    assert identifier(title) == name


# -- of several runs ---------------------------------------------------------------------------


def test_measures_of_one_heading_share_a_line_in_the_order_in_which_they_come() -> None:
    shown = lines(
        measure("p50", 0.9, unit="s", heading="latency", label="p50", better=Better.LOWER),
        measure(),
        measure("p99", 2, unit="s", heading="latency", label="p99", better=Better.LOWER),
    )
    assert shown == {"latency ↓": "0.9 s p50, 2 s p99", "leak": "7 MiB"}


def test_runs_are_shown_from_least_to_most_with_what_is_lacking() -> None:
    shown = lines(measure(value=9), measure(value=None), measure(value=3))
    assert shown == {"leak": "3–9 MiB (– in 1 of 3)"}
    (line,) = spread([measure(value=None, evidence="/proc/meminfo")])
    assert (line.text, line.hint) == ("–", "/proc/meminfo; not seen")


def test_values_of_different_units_are_not_mixed() -> None:
    assert lines(measure(value=1), measure(value=900, unit="KiB")) == {"leak": "1 MiB, 900 KiB"}


def test_an_arrow_shows_where_it_is_better_unless_the_line_goes_both_ways() -> None:
    up: dict[str, Any] = {"better": Better.HIGHER}
    down: dict[str, Any] = {"better": Better.LOWER}
    assert set(lines(measure("a", **up), measure("b", **down), measure("c"))) == {"a ↑", "b ↓", "c"}
    both = lines(measure("a", heading="x", **up), measure("b", heading="x", **down))
    assert set(both) == {"x"}


def test_what_is_minor_is_shown_where_there_is_some() -> None:
    none = measure(value=0, minor=True)
    assert lines(none, measure(value=None, minor=True)) == {}
    assert lines(none, measure(value=2, minor=True)) == {"leak": "0–2 MiB"}
    assert lines(measure(value=0)) == {"leak": "0 MiB"}


def test_a_measure_is_named_after_its_heading_and_label() -> None:
    measure = Measure.of("samples lost", 2, "count", "edge-arm", label="in a cut", reason="unused")
    assert (measure.name, measure.reason) == ("samples_lost_in_a_cut", "")
    assert Measure.of("samples lost", None, "count", "edge-arm", reason="none").reason == "none"
    with pytest.raises(ValidationError):
        Measure.of("samples lost", None, "count", "edge-arm")
