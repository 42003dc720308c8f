"""IndexRanges as OPC 10000-4, 7.27 has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.devices.index_range import Span, parse_index_range, part_of, with_part
from edge_lab.devices.opcua_types import rank_of, suits

MATRIX = ua.Variant([[1, 2, 3], [4, 5, 6]], ua.VariantType.Int32)
WORDS = ua.Variant(["alpha", "be", ""], ua.VariantType.String)


def refusal(attempt: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as caught:
        attempt()
    return str(ua.StatusCode(caught.value.code).name)


def ints(*values: int) -> ua.Variant:
    return ua.Variant(list(values), ua.VariantType.Int32, is_array=True)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("0", [Span(0, 0)]),
        ("6", [Span(6, 6)]),
        ("5:7", [Span(5, 7)]),
        ("1:2,0:1", [Span(1, 2), Span(0, 1)]),
        ("1,1", [Span(1, 1), Span(1, 1)]),
        ("007:08", [Span(7, 8)]),
    ],
)
def test_a_range_is_read(text: str, spans: list[Span]) -> None:
    assert list(parse_index_range(text)) == spans


@pytest.mark.parametrize(
    "text",
    ["", " ", "-1", "1:", ":1", "7:5", "5:5", "1;2", "1,", ",1", "a", "1 :2", "1:2:3", "١", "1.5"],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    assert refusal(lambda: parse_index_range(text)) == "BadIndexRangeInvalid"


@given(st.text(alphabet="0123456789:,", max_size=12))
def test_any_text_is_a_range_or_refused(text: str) -> None:
    spans = [re.fullmatch(r"(\d+)(?::(\d+))?", part) for part in text.split(",")]
    pairs = [(int(span[1]), int(span[2] or span[1])) for span in spans if span]
    ordered = all(span is None or not span[2] or int(span[1]) < int(span[2]) for span in spans)
    if all(spans) and ordered:
        assert parse_index_range(text) == tuple(Span(*pair) for pair in pairs)
    else:
        assert refusal(lambda: parse_index_range(text)) == "BadIndexRangeInvalid"


def test_a_bound_of_any_length_is_a_number() -> None:
    digits = "9" * 6000
    assert refusal(lambda: part_of(ints(1, 2), parse_index_range(digits))) == "BadIndexRangeNoData"


@pytest.mark.parametrize(
    ("variant", "text", "part"),
    [
        (ints(1, 2, 3), "1", [2]),
        (ints(1, 2, 3), "1:9", [2, 3]),
        (MATRIX, "1,0:1", [[4, 5]]),
        (MATRIX, "0:1,2", [[3], [6]]),
        (WORDS, "0", ["alpha"]),
        (WORDS, "0:1,1:3", ["lph", "e"]),
        (ua.Variant("industry"), "2:4", "dus"),
        (ua.Variant("grün"), "2", "ü"),
        (ua.Variant(b"\x00\x01\x02"), "1:9", b"\x01\x02"),
    ],
)
def test_a_read_gives_what_there_is_of_a_part(variant: Any, text: str, part: Any) -> None:
    found = part_of(variant, parse_index_range(text))
    assert found.Value == part
    assert found.VariantType == variant.VariantType
    assert rank_of(found) == rank_of(variant)


@pytest.mark.parametrize(
    ("variant", "text"),
    [
        (ints(1, 2), "2"),
        (ints(), "0"),
        (ints(1, 2), "0,0"),
        (MATRIX, "0"),
        (MATRIX, "0,3"),
        (MATRIX, "0,0,0"),
        (WORDS, "1:2,5:6"),
        (ua.Variant(7, ua.VariantType.Int32), "0"),
        (ua.Variant("x"), "0,0"),
        (ua.Variant(None, ua.VariantType.String), "0"),
    ],
)
def test_where_there_is_nothing_a_read_says_so(variant: Any, text: str) -> None:
    assert refusal(lambda: part_of(variant, parse_index_range(text))) == "BadIndexRangeNoData"


@given(st.lists(st.integers(0, 99), min_size=1, max_size=8), st.data())
def test_a_part_that_was_written_is_read_back_and_the_rest_is_as_it_was(
    values: list[int], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(values) - 1))
    last = data.draw(st.integers(first, len(values) - 1))
    new = data.draw(
        st.lists(st.integers(100, 199), min_size=last - first + 1, max_size=last - first + 1)
    )
    spans = parse_index_range(str(first) if first == last else f"{first}:{last}")
    whole = with_part(ints(*values), spans, ints(*new))
    assert part_of(whole, spans).Value == new
    assert whole.Value == values[:first] + new + values[last + 1 :]


@pytest.mark.parametrize(
    ("variant", "text", "part", "status"),
    [
        (ints(1, 2), "1:2", ints(8, 9), "BadIndexRangeNoData"),
        (ints(1, 2), "0:1", ints(8), "BadIndexRangeDataMismatch"),
        (ints(1, 2), "0", ua.Variant(8, ua.VariantType.Int32), "BadIndexRangeDataMismatch"),
        (MATRIX, "0", ints(8), "BadIndexRangeNoData"),
        (MATRIX, "0,0:1", ints(8, 9), "BadIndexRangeDataMismatch"),
        (ua.Variant("abc"), "1:5", ua.Variant("xyz12"), "BadIndexRangeNoData"),
        (ua.Variant("abc"), "1:2", ua.Variant("x"), "BadIndexRangeDataMismatch"),
        (ua.Variant(1.5), "0", ua.Variant([1.5]), "BadIndexRangeNoData"),
    ],
)
def test_a_write_must_fit(variant: Any, text: str, part: Any, status: str) -> None:
    before = list(variant.Value) if isinstance(variant.Value, list) else variant.Value
    assert refusal(lambda: with_part(variant, parse_index_range(text), part)) == status
    assert variant.Value == before


def test_a_block_of_a_matrix_is_written() -> None:
    block = ua.Variant([[8], [9]], ua.VariantType.Int32)
    whole = with_part(MATRIX, parse_index_range("0:1,1"), block)
    assert whole.Value == [[1, 8, 3], [4, 9, 6]]
    assert whole.Dimensions == [2, 3]


@pytest.mark.parametrize(
    ("variant", "rank", "fits"),
    [
        (ints(1), -1, False),
        (ints(1), 1, True),
        (ints(1), 0, True),
        (ints(1), -3, True),
        (ints(1), 2, False),
        (MATRIX, 2, True),
        (MATRIX, -3, False),
        (MATRIX, -2, True),
        (ua.Variant(1, ua.VariantType.Int32), -1, True),
        (ua.Variant(1, ua.VariantType.Int32), 1, False),
        (ua.Variant(1.0, ua.VariantType.Double), -1, False),
        (ua.Variant(None, ua.VariantType.Null), -2, False),
    ],
)
def test_a_value_suits_a_type_and_a_rank(variant: Any, rank: int, fits: bool) -> None:
    assert suits(variant, frozenset({ua.VariantType.Int32}), rank) == fits
