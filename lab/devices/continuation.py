"""The remaining parts of answers of a session: OPC UA's continuation points."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from asyncua import ua
from asyncua.common.utils import ServiceError

T = TypeVar("T")

MOST = 100
"""Maximum number of points of a session."""


@dataclass(frozen=True)
class Rest(Generic[T]):
    """The rest of an answer about `about`, and the number of items per answer."""

    about: object
    items: tuple[T, ...]
    most: int


class ContinuationPoints(Generic[T]):
    """Points of one session, of one service.

    OPC 10000-4, 7.9: points of earlier requests are dropped if a new one needs space, and each
    point can be used once.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rests: OrderedDict[bytes, Rest[T]] = OrderedDict()
        self._earlier = 0

    def begin(self) -> None:
        """A new request begins."""
        self._earlier = len(self._rests)

    def divide(self, rest: Rest[T]) -> tuple[tuple[T, ...], bytes | None]:
        """The items of this answer, and a point for the rest, if any.

        Raises:
            ServiceError: BadNoContinuationPoints.
        """
        if not rest.most or len(rest.items) <= rest.most:
            return rest.items, None
        if len(self._rests) >= self._most:
            if not self._earlier:
                raise ServiceError(ua.StatusCodes.BadNoContinuationPoints)
            self._rests.popitem(last=False)
            self._earlier -= 1
        point = secrets.token_bytes(16)
        self._rests[point] = Rest(rest.about, rest.items[rest.most :], rest.most)
        return rest.items[: rest.most], point

    def take(self, point: bytes | None, about: object = None) -> Rest[T]:
        """Removes a point, and returns its rest.

        Raises:
            ServiceError: BadContinuationPointInvalid; it is unknown, or not about `about`.
        """
        rest = self._rests.get(point or b"")
        if rest is None or (about is not None and rest.about != about):
            raise ServiceError(ua.StatusCodes.BadContinuationPointInvalid)
        position = list(self._rests).index(point or b"")
        del self._rests[point or b""]
        self._earlier -= position < self._earlier
        return rest
