"""Which events a client hears of, and which of their fields: EventFilter, OPC 10000-4, 7.22.3."""

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
"""Types whose events no where clause holds back."""

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
"""How many operands each operator that is served takes."""


class EventFilterRefused(ServiceError):  # type: ignore[misc]
    """The filter cannot be had; `result` says which part of it is why."""

    def __init__(self, code: int, result: Any) -> None:
        super().__init__(code)
        self.result = result


class EventSelection:
    """An event filter that is served."""

    def __init__(self, clauses: list[Any], elements: list[Any], space: Any) -> None:
        self._clauses = clauses
        """Select clauses, None in the place of one that cannot be answered."""
        self._elements = elements
        self._space = space

    @classmethod
    def of(cls, asked: Any, space: Any) -> tuple[EventSelection, Any]:
        """The selection that a client asks for, and what it is told of it.

        Raises:
            ServiceError: it is no event filter, or one that is not served.
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
        """What is told of an event, a Variant for each select clause."""
        return [_variant(event, clause) for clause in self._clauses]

    def wants(self, event: Any) -> bool:
        if not self._elements or event.EventType in _ALWAYS:
            return True
        try:
            return bool(self._holds(0, event))
        except (TypeError, ValueError, LookupError):  # cannot be compared, so it is not so
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
    """What asyncua calls a field: its path, or that of the condition's own node."""
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
    """What is wrong with a select clause; 0 for nothing."""
    wanted = ua.AttributeIds.Value if clause.BrowsePath else ua.AttributeIds.NodeId
    if clause.AttributeId != wanted:
        return int(ua.StatusCodes.BadAttributeIdInvalid)
    if clause.TypeDefinitionId.Identifier and clause.TypeDefinitionId not in space:
        return int(ua.StatusCodes.BadTypeDefinitionInvalid)
    if clause.IndexRange:
        return int(ua.StatusCodes.BadIndexRangeInvalid)
    return 0


def _element_status(number: int, elements: list[Any]) -> int:
    """What is wrong with an element of a where clause; 0 for nothing."""
    element = elements[number]
    operands = element.FilterOperands or []
    if element.FilterOperator not in _OPERANDS:
        return int(ua.StatusCodes.BadFilterOperatorUnsupported)
    if len(operands) not in _OPERANDS[element.FilterOperator]:
        return int(ua.StatusCodes.BadFilterOperandCountMismatch)
    for operand in operands:
        match operand:
            case ua.ElementOperand():  # onwards only, so that there is no circle
                if not number < operand.Index < len(elements):
                    return int(ua.StatusCodes.BadFilterOperandInvalid)
            case ua.LiteralOperand() | ua.SimpleAttributeOperand():
                pass
            case _:
                return int(ua.StatusCodes.BadFilterOperandInvalid)
    return 0
