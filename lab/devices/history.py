"""The last values of each node, for OPC UA's HistoryRead of raw values."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from asyncua import ua
from asyncua.server.history import HistoryDict

MOST_AT_ONCE = 10_000
"""Values in one answer; the rest is had by its continuation point."""

_NEVER = ua.get_win_epoch()
"""How a client says that it gives no time."""


class StepHistory(HistoryDict):  # type: ignore[misc]
    """All nodes of a step are kept together, the last `steps` of them.

    In the place of asyncua's own, which takes its values from a subscription: that loses what was
    shown before a restart, and gives no continuation point where a client limits the number.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps: deque[tuple[datetime, Mapping[Any, Any]]] = deque(maxlen=steps)

    def keep(self, when: datetime, values: Mapping[Any, Any]) -> None:
        """A step: its DataValues by NodeId. Later steps have later times."""
        self._steps.append((when, values))

    async def read_node_history(
        self, node_id: Any, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[Any], datetime | None]:
        """Both times inclusive. The latest come first if `start` is later than `end`, or if
        only `end` is given.

        Returns the values, and the time of the next one if there are more than fit.
        """
        first = None if start in (None, _NEVER) else start
        last = None if end in (None, _NEVER) else end
        backwards = last is not None and (first is None or first > last)
        low, high = (last, first) if backwards and first is not None else (first, last)
        within = (
            values[node_id]
            for when, values in (reversed(self._steps) if backwards else self._steps)
            if node_id in values and (low is None or when >= low) and (high is None or when <= high)
        )
        most = min(nb_values or MOST_AT_ONCE, MOST_AT_ONCE)
        found = list(islice(within, most + 1))
        # Without a start, going on backwards would begin at the wrong end.
        goes_on = len(found) > most and (first is not None or last is None)
        return found[:most], found[most].SourceTimestamp if goes_on else None
