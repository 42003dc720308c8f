"""The ways as parameters of tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from edge_lab.addons.functions.ways import OWN_WAYS, capability


def each_way(*, after_boot: bool = False) -> Sequence[Any]:
    """The ways of the add-on `functions`; a test is skipped if nodes do not support its way.

    With `after_boot`, a warm pod is expected only of a runtime that restores its pods while
    offline, since it comes from the API server.
    """
    found = []
    for way in OWN_WAYS:
        marks = [pytest.mark.needs(capability(way))]
        if after_boot and not way.from_zero:
            marks.append(pytest.mark.fails_without("offline-reboot"))
        found.append(pytest.param(way.name, marks=marks, id=way.name))
    return found
