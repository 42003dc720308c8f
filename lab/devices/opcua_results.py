"""Results of OPC UA services that do the same to many things: a status for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError


def some(asked: Any) -> Any:
    """What a client asks for, if it is anything.

    Raises:
        ServiceError: it is nothing.
    """
    if not asked:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    return asked


def statuses(numbers: Iterable[int] | None, act: Callable[[int], object]) -> list[Any]:
    """Does something to each, whatever becomes of the others; what each has come to."""
    found = []
    for number in numbers or ():
        try:
            act(number)
        except ServiceError as refusal:
            found.append(ua.StatusCode(refusal.code))
        else:
            found.append(ua.StatusCode())
    return found
