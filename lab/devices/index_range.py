"""OPC UA's IndexRange: a part of an array, a string or a byte string.

OPC 10000-4, 7.27: BadIndexRangeInvalid is for an invalid syntax, BadIndexRangeNoData for any
other mismatch.  A read returns the existing part of a range; a write must match exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError

from edge_lab.devices.opcua_types import rank_of

_DIGITS = 18
"""Maximum number of digits of a bound; a longer one is beyond any array."""
_SYNTAX = re.compile(r"[0-9]+(?::[0-9]+)?(?:,[0-9]+(?::[0-9]+)?)*")


@dataclass(frozen=True)
class Span:
    """Indexes of one dimension, including the last one."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def of(self, sequence: Any) -> Any:
        """The existing part of the span; refused if there is none."""
        if self.first >= len(sequence):
            raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
        return sequence[self.first : self.last + 1]


def parse_index_range(text: str) -> tuple[Span, ...]:
    """A span for each dimension.

    Raises:
        ServiceError: BadIndexRangeInvalid.
    """
    if not _SYNTAX.fullmatch(text):
        raise ServiceError(ua.StatusCodes.BadIndexRangeInvalid)
    return tuple(_span(part) for part in text.split(","))


def _span(text: str) -> Span:
    first, colon, last = text.partition(":")
    low = _bound(first)
    if not colon:
        return Span(low, low)
    high = _bound(last)
    if low >= high:
        raise ServiceError(ua.StatusCodes.BadIndexRangeInvalid)
    return Span(low, high)


def _bound(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS + len(digits)


def part_of(variant: ua.Variant, spans: Sequence[Span]) -> ua.Variant:
    """The result of a read of that part.

    Raises:
        ServiceError: BadIndexRangeNoData.
    """
    value, rank = variant.Value, rank_of(variant)
    if not rank:
        return ua.Variant(_substring(value, spans), variant.VariantType)
    if value is None or len(spans) not in (rank, rank + 1):
        raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
    part = _take(value, spans[:rank])
    if len(spans) > rank:
        part = _substrings(part, spans[rank])
    return _array(part, variant.VariantType, rank)


def with_part(variant: ua.Variant, spans: Sequence[Span], part: ua.Variant) -> ua.Variant:
    """`variant` with that part replaced, as after a write.

    Raises:
        ServiceError: BadIndexRangeNoData, or BadIndexRangeDataMismatch if the size of `part`
            differs from that of the range.
    """
    value, rank = variant.Value, rank_of(variant)
    if not rank:
        (old,) = [_substring(value, spans)]
        span = spans[0]
        if len(old) != span.length:
            raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
        if not isinstance(part.Value, type(value)) or len(part.Value) != span.length:
            raise ServiceError(ua.StatusCodes.BadIndexRangeDataMismatch)
        whole = value[: span.first] + part.Value + value[span.last + 1 :]
        return ua.Variant(whole, variant.VariantType)
    if value is None or len(spans) != rank:
        raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
    if rank_of(part) != rank:
        raise ServiceError(ua.StatusCodes.BadIndexRangeDataMismatch)
    return _array(_put(value, spans, part.Value), variant.VariantType, rank)


def _array(value: list[Any], kind: Any, rank: int) -> ua.Variant:
    dimensions = ua.uatypes.get_shape(value) if rank > 1 else None
    return ua.Variant(value, kind, Dimensions=dimensions, is_array=True)


def _substring(value: Any, spans: Sequence[Span]) -> Any:
    if not isinstance(value, str | bytes) or len(spans) != 1:
        raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
    return spans[0].of(value)


def _take(value: Sequence[Any], spans: Sequence[Span]) -> list[Any]:
    rows = list(spans[0].of(value))
    return [_take(row, spans[1:]) for row in rows] if spans[1:] else rows


def _substrings(value: list[Any], span: Span) -> list[Any]:
    """That part of each string; empty for a shorter string."""
    if value and isinstance(value[0], list):
        return [_substrings(row, span) for row in value]
    if not all(isinstance(text, str | bytes) for text in value):
        raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
    found = [text[span.first : span.last + 1] for text in value]
    if not any(found):
        raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
    return found


def _put(value: Sequence[Any], spans: Sequence[Span], part: Any) -> list[Any]:
    span = spans[0]
    if span.last >= len(value):
        raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)
    if not isinstance(part, list) or len(part) != span.length:
        raise ServiceError(ua.StatusCodes.BadIndexRangeDataMismatch)
    rows = list(value)
    for number, new in enumerate(part, start=span.first):
        rows[number] = _put(rows[number], spans[1:], new) if spans[1:] else new
    return rows
