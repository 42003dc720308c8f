"""Data change filters: which changes a client receives (DataChangeFilter, OPC 10000-4, 7.22.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.uaprotocol_auto import DataChangeFilter  # what is decoded; ua has a subclass

_NUMBER = ua.NodeId(ua.ObjectIds.Number)
_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
_HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
_TRIGGERS = (
    ua.DataChangeTrigger.Status,
    ua.DataChangeTrigger.StatusValue,
    ua.DataChangeTrigger.StatusValueTimestamp,
)


def is_null(filter_: Any) -> bool:
    """Whether a client has sent no filter."""
    return filter_ is None or (
        isinstance(filter_, ua.ExtensionObject) and filter_.TypeId.Identifier == 0
    )


@dataclass(frozen=True)
class DataFilter:
    trigger: int = ua.DataChangeTrigger.StatusValue
    deadband: float | None = None
    """Minimum difference from the last reported number, in the value's unit."""

    @classmethod
    def of(cls, asked: Any, node_id: Any, attribute: int, space: Any) -> DataFilter:
        """Parses the filter of a client for an attribute of a node.

        Raises:
            ServiceError: it is invalid, or not applicable to that node.
        """
        if is_null(asked):
            return cls()
        if isinstance(asked, ua.EventFilter):
            raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
        if not isinstance(asked, DataChangeFilter):
            raise ServiceError(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
        if attribute != ua.AttributeIds.Value:
            raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
        if asked.Trigger not in _TRIGGERS:
            raise ServiceError(ua.StatusCodes.BadMonitoredItemFilterInvalid)
        if asked.DeadbandType == ua.DeadbandType.None_:
            return cls(asked.Trigger)
        return cls(asked.Trigger, _deadband(asked, node_id, space))

    def passes(self, last: Any, value: Any) -> bool:
        """Whether a DataValue is to be reported, after `last` was; None if none was."""
        if last is None or _status(last) != _status(value):
            return True
        if self.trigger == ua.DataChangeTrigger.Status:
            return False
        if _differs(last.Value, value.Value, self.deadband):
            return True
        # With a deadband, this trigger equals StatusValue.
        return (
            self.deadband is None
            and self.trigger == ua.DataChangeTrigger.StatusValueTimestamp
            and (last.SourceTimestamp, last.SourcePicoseconds)
            != (value.SourceTimestamp, value.SourcePicoseconds)
        )


def _deadband(asked: Any, node_id: Any, space: Any) -> float:
    value = float(asked.DeadbandValue)
    percent = asked.DeadbandType == ua.DeadbandType.Percent
    if not percent and asked.DeadbandType != ua.DeadbandType.Absolute:
        raise ServiceError(ua.StatusCodes.BadDeadbandFilterInvalid)
    if not math.isfinite(value) or value < 0 or (percent and value > 100):
        raise ServiceError(ua.StatusCodes.BadDeadbandFilterInvalid)
    if not _is_numeric(node_id, space):
        raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
    return value / 100 * _span(node_id, space) if percent else value


def is_subtype(kind: Any, wanted: Any, space: Any) -> bool:
    """Whether a type is another one, or derived from it."""
    seen: set[Any] = set()
    while kind is not None and kind not in seen:
        if kind == wanted:
            return True
        seen.add(kind)
        node = space.get(kind)
        kind = next(
            (
                reference.NodeId
                for reference in (node.references if node else ())
                if reference.ReferenceTypeId == _HAS_SUBTYPE and not reference.IsForward
            ),
            None,
        )
    return False


def _is_numeric(node_id: Any, space: Any) -> bool:
    read = space.read_attribute_value(node_id, ua.AttributeIds.DataType)
    return read.Value is not None and is_subtype(read.Value.Value, _NUMBER, space)


def _span(node_id: Any, space: Any) -> float:
    """The width of the node's EURange, to which a percentage refers."""
    for reference in space[node_id].references:
        if (
            reference.ReferenceTypeId == _HAS_PROPERTY
            and reference.IsForward
            and reference.BrowseName.Name == "EURange"
        ):
            read = space.read_attribute_value(reference.NodeId, ua.AttributeIds.Value)
            limits = read.Value.Value if read.Value is not None else None
            if isinstance(limits, ua.Range) and math.isfinite(limits.High - limits.Low):
                return abs(float(limits.High - limits.Low))
    raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)


def _status(value: Any) -> int:
    return value.StatusCode.value if value.StatusCode is not None else 0


def _differs(last: Any, new: Any, deadband: float | None) -> bool:
    """Whether two Variants differ by more than the deadband."""
    if last is None or new is None:
        return last is not new
    if last.VariantType != new.VariantType:
        return True
    return _values_differ(last.Value, new.Value, deadband)


def _values_differ(last: Any, new: Any, deadband: float | None) -> bool:
    if isinstance(last, list | tuple) and isinstance(new, list | tuple):
        return len(last) != len(new) or any(
            _values_differ(before, after, deadband) for before, after in zip(last, new, strict=True)
        )
    if isinstance(last, float) and isinstance(new, float) and math.isnan(last) and math.isnan(new):
        return False
    if deadband is None or not (_is_finite(last) and _is_finite(new)):
        return bool(last != new)
    return bool(abs(new - last) > deadband)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
