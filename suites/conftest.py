"""Tests that take hours run only when selected."""

from __future__ import annotations

import pytest

LONG = "long_running"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{LONG}(reason): left out unless `-m {LONG}` selects it, as it takes hours"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if LONG in str(config.getoption("markexpr")):
        return
    for item in items:
        mark = item.get_closest_marker(LONG)
        if mark is not None:
            reason = mark.kwargs.get("reason", "it takes hours")
            item.add_marker(pytest.mark.skip(reason=f"{reason}: run it with -m {LONG}"))
