"""Event filters: which events and fields a client receives (EventFilter, OPC 10000-4, 7.22.3)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError

from edge_lab.devices.opcua_filters import is_null, is_subtype

_ALWAYS = frozenset(
    ua.NodeId(number)
    for number in (
        ua.ObjectIds.RefreshStartEventType,
        ua.ObjectIds.RefreshEndEventType,
        ua.ObjectIds.EventQueueOverflowEventType,
    )
)
"""Types whose events ignore where clauses."""

_COMPARE: dict[int, Callable[[Any, Any], Any]] = {
    ua.FilterOperator.Equals: lambda left, right: left == right,
    ua.FilterOperator.GreaterThan: lambda left, right: left > right,
    ua.FilterOperator.LessThan: lambda left, right: left < right,
    ua.FilterOperator.GreaterThanOrEqual: lambda left, right: left >= right,
    ua.FilterOperator.LessThanOrEqual: lambda left, right: left <= right,
}
_OPERANDS: dict[int, range] = {
    **{operator: range(2, 3) for operator in _COMPARE},
    ua.FilterOperator.And: range(2, 3),
    ua.FilterOperator.Or: range(2, 3),
    ua.FilterOperator.IsNull: range(1, 2),
    ua.FilterOperator.Not: range(1, 2),
    ua.FilterOperator.OfType: range(1, 2),
    ua.FilterOperator.Between: range(3, 4),
    ua.FilterOperator.InList: range(2, 1_000),
}
"""Number of operands of each supported operator."""


class EventFilterRefused(ServiceError):  # type: ignore[misc]
    """The filter is invalid; `result` has the status of each part."""

    def __init__(self, code: int, result: Any) -> None:
        super().__init__(code)
        self.result = result


class EventSelection:
    """A supported event filter."""

    def __init__(self, clauses: list[Any], elements: list[Any], space: Any) -> None:
        self._clauses = clauses
        """Select clauses, None in the place of one that cannot be answered."""
        self._elements = elements
        self._space = space

    @classmethod
    def of(cls, asked: Any, space: Any) -> tuple[EventSelection, Any]:
        """Parses the filter of a client; the selection, and the filter result.

        Raises:
            ServiceError: it is not an event filter, or not supported.
        """
        if is_null(asked) or not isinstance(asked, ua.MonitoringFilter):
            raise ServiceError(ua.StatusCodes.BadMonitoredItemFilterInvalid)
        if not isinstance(asked, ua.EventFilter):
            raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
        clauses, elements = asked.SelectClauses or [], asked.WhereClause.Elements or []
        selected = [_select_status(clause, space) for clause in clauses]
        where = [_element_status(number, elements) for number in range(len(elements))]
        result = ua.EventFilterResult(
            SelectClauseResults=[ua.StatusCode(code) for code in selected],
            WhereClauseResult=ua.ContentFilterResult(
                ElementResults=[
                    ua.ContentFilterElementResult(StatusCode=ua.StatusCode(code)) for code in where
                ]
            ),
        )
        if not clauses or any(where):
            raise EventFilterRefused(ua.StatusCodes.BadEventFilterInvalid, result)
        answered = [
            None if code else clause for clause, code in zip(clauses, selected, strict=True)
        ]
        return cls(answered, elements, space), result

    def fields(self, event: Any) -> list[Any]:
        """The fields of an event, a Variant for each select clause."""
        return [_variant(event, clause) for clause in self._clauses]

    def wants(self, event: Any) -> bool:
        if not self._elements or event.EventType in _ALWAYS:
            return True
        try:
            return bool(self._holds(0, event))
        except (TypeError, ValueError, LookupError):  # not comparable, so false
            return False

    def _holds(self, number: int, event: Any) -> Any:
        element = self._elements[number]
        operator = element.FilterOperator
        operands = element.FilterOperands
        if operator == ua.FilterOperator.OfType:
            return is_subtype(event.EventType, self._value(operands[0], event), self._space)
        if operator == ua.FilterOperator.And:
            return all(self._value(operand, event) for operand in operands)
        if operator == ua.FilterOperator.Or:
            return any(self._value(operand, event) for operand in operands)
        values = [self._value(operand, event) for operand in operands]
        if operator == ua.FilterOperator.IsNull:
            return values[0] is None
        if operator == ua.FilterOperator.Not:
            return not values[0]
        if operator == ua.FilterOperator.Between:
            return values[1] <= values[0] <= values[2]
        if operator == ua.FilterOperator.InList:
            return values[0] in values[1:]
        return _COMPARE[operator](*values)

    def _value(self, operand: Any, event: Any) -> Any:
        if isinstance(operand, ua.ElementOperand):
            return self._holds(operand.Index, event)
        if isinstance(operand, ua.LiteralOperand):
            return operand.Value.Value if operand.Value is not None else None
        return _field(event, operand)


def _name(clause: Any) -> str:
    """The name of a field in asyncua: its path, or that of the condition's own node."""
    path = clause.BrowsePath or []
    return "/".join(name.Name for name in path) if path else "NodeId"


def _field(event: Any, clause: Any) -> Any:
    name = _name(clause)
    return getattr(event, name, None) if name in event.data_types else None


def _variant(event: Any, clause: Any) -> Any:
    value = _field(event, clause) if clause is not None else None
    if value is None:
        return ua.Variant(None)
    if isinstance(value, ua.Variant):
        return value
    return ua.Variant(copy.deepcopy(value), event.data_types[_name(clause)])


def _select_status(clause: Any, space: Any) -> int:
    """The status of a select clause; 0 if it is valid."""
    wanted = ua.AttributeIds.Value if clause.BrowsePath else ua.AttributeIds.NodeId
    if clause.AttributeId != wanted:
        return int(ua.StatusCodes.BadAttributeIdInvalid)
    if clause.TypeDefinitionId.Identifier and clause.TypeDefinitionId not in space:
        return int(ua.StatusCodes.BadTypeDefinitionInvalid)
    if clause.IndexRange:
        return int(ua.StatusCodes.BadIndexRangeInvalid)
    return 0


def _element_status(number: int, elements: list[Any]) -> int:
    """The status of an element of a where clause; 0 if it is valid."""
    element = elements[number]
    operands = element.FilterOperands or []
    if element.FilterOperator not in _OPERANDS:
        return int(ua.StatusCodes.BadFilterOperatorUnsupported)
    if len(operands) not in _OPERANDS[element.FilterOperator]:
        return int(ua.StatusCodes.BadFilterOperandCountMismatch)
    for operand in operands:
        match operand:
            case ua.ElementOperand():  # forward references only, so that there are no cycles
                if not number < operand.Index < len(elements):
                    return int(ua.StatusCodes.BadFilterOperandInvalid)
            case ua.LiteralOperand() | ua.SimpleAttributeOperand():
                pass
            case _:
                return int(ua.StatusCodes.BadFilterOperandInvalid)
    return 0
