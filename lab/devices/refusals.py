"""Logs refused requests of clients, each item once.

A client that polls an unknown node would otherwise fill the log.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from asyncua import ua

log = logging.getLogger(__name__)

REMEMBERED = 1000


class RefusalLog:
    """Refused items by service; the oldest are evicted, and logged again."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._told: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def note(self, service: str, item: str, code: int) -> None:
        """An item got a bad status; a request that fails as a whole has no item."""
        refusal = (service, item, code)
        if refusal in self._told:
            self._told.move_to_end(refusal)
            return
        self._told[refusal] = None
        if len(self._told) > self._most:
            self._told.popitem(last=False)
        log.warning("%s of %s: %s", service, item, ua.StatusCode(code).name)


def attribute_name(number: int) -> str:
    """The specification's name of an attribute, or its number."""
    try:
        return str(ua.AttributeIds(number).name)
    except ValueError:
        return f"attribute {number}"
