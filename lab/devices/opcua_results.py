"""Results of OPC UA services with many operations, with a status for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError


def some(asked: Any) -> Any:
    """The operations of a request.

    Raises:
        ServiceError: there are none.
    """
    if not asked:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    return asked


def statuses(numbers: Iterable[int] | None, act: Callable[[int], object]) -> list[Any]:
    """Executes each operation independently; the result of each."""
    found = []
    for number in numbers or ():
        try:
            act(number)
        except ServiceError as refusal:
            found.append(ua.StatusCode(refusal.code))
        else:
            found.append(ua.StatusCode())
    return found
