"""Durations: what is read, what is refused, and that both ways agree."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from edge_lab.core.durations import Seconds, parse_duration, show_duration

SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1h", 3600),
        ("1.5h", 5400),
        ("2h0m1s", 7201),
        ("0", 0),
        ("0s", 0),
        (" 10s ", 10),
        ("250us", 0.00025),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "10", "s", "10 s", "5 minutes", "1m 30s", "1m, 30s", "1y", "5mm", "1.2.3s", "1d", "٣s"],
)
def test_what_is_no_duration_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 90s, 5m, 1m30s or 500ms"):
        parse_duration(text)


@pytest.mark.parametrize("value", ["-5s", -5, -0.1, math.inf, math.nan, True, None, "9" * 30 + "h"])
def test_negative_and_endless_times_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        SECONDS.validate_python(value)


@given(value=st.floats(min_value=0, allow_nan=False))
def test_any_number_is_refused_or_can_be_shown(value: float) -> None:
    with contextlib.suppress(ValidationError):
        assert show_duration(SECONDS.validate_python(value))


@pytest.mark.parametrize(("value", "seconds"), [(5, 5.0), (0.25, 0.25), ("90s", 90.0), (0, 0.0)])
def test_a_plain_number_is_seconds(value: object, seconds: float) -> None:
    assert SECONDS.validate_python(value) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (3600, "1h"), (0.5, "500ms"), (60.25, "1m0.25s"), (81.8, "1m21.8s")],
)
def test_durations_are_shown_in_short(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(ms=st.integers(min_value=0, max_value=10**10))
def test_what_is_shown_is_read_back_to_the_millisecond(ms: int) -> None:
    assert round(parse_duration(show_duration(ms / 1000)) * 1000) == ms


@given(text=st.text(max_size=30) | st.from_regex(r"-?[0-9.]{1,9}[a-zµ]{0,3}[0-9]{0,3}[hms]{0,2}"))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0
