"""The last values of each node, for OPC UA's HistoryRead of raw values."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asyncua import ua

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Period:
    """The parameters of a read, with at least one of the times.

    Time flows backwards if `start` is later than `end`, or if only `end` is given.
    """

    start: datetime | None
    end: datetime | None
    bounds: bool = False
    """Whether bounds are included: the nearest values outside, or at its ends."""

    @property
    def backwards(self) -> bool:
        return self.start is None or (self.end is not None and self.end < self.start)

    @property
    def begin(self) -> datetime:
        """The start in the direction of the read."""
        begin = self.end if self.start is None else self.start
        assert begin is not None
        return begin

    @property
    def finish(self) -> datetime | None:
        """The end; None if only the number of values limits it."""
        return None if self.start is None else self.end


class StepHistory:
    """All nodes of a step are kept together, the last `steps` of them.

    Replaces asyncua's history, which is based on a subscription: that loses values from before a
    restart, and returns no continuation point if a client limits the number.
    """

    def __init__(self, steps: int) -> None:
        self._steps: deque[tuple[datetime, Mapping[Any, Any]]] = deque(maxlen=steps)

    def keep(self, when: datetime, values: Mapping[Any, Any]) -> None:
        """A step: its DataValues by NodeId. Later steps have later times."""
        self._steps.append((when, values))

    def raw(self, node_id: Any, period: Period) -> tuple[Any, ...]:
        """The DataValues of a node by OPC 10000-11, 4.4: a value at the end of the period is not in
        it, but is its bound; a missing bound is BadBoundNotFound."""
        steps = reversed(self._steps) if period.backwards else self._steps
        ordered = [(when, values[node_id]) for when, values in steps if node_id in values]
        begin, finish = period.begin, period.finish

        def before(time: datetime, other: datetime) -> bool:
            return time > other if period.backwards else time < other

        earlier = [pair for pair in ordered if before(pair[0], begin)]
        rest = ordered[len(earlier) :]
        inside = [
            pair
            for pair in rest
            if finish is None or before(pair[0], finish) or pair[0] == begin == finish
        ]
        found = [value for _, value in inside]
        if period.bounds:
            after = rest[len(inside) :]
            if not (inside and inside[0][0] == begin):
                found.insert(0, earlier[-1][1] if earlier else _no_bound(begin))
            if after:
                found.append(after[0][1])
            elif finish is not None:
                found.append(_no_bound(finish))
            else:
                last = found[-1].SourceTimestamp
                found.append(_no_bound(last - _SECOND if period.backwards else last + _SECOND))
        return tuple(found)


def _no_bound(when: datetime) -> Any:
    return ua.DataValue(
        ua.Variant(None, ua.VariantType.Null),
        StatusCode=ua.StatusCode(ua.StatusCodes.BadBoundNotFound),
        SourceTimestamp=when,
        ServerTimestamp=when,
    )
