"""Shared by all suites: verdicts are recorded and judged; `-m core` selects the core of a suite;
tests that take hours run only when selected."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from edge_lab.oracles.verdict import Verdict
from suites.passing import all_passed

LONG = "long_running"
CORE = "core"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{CORE}: the core of its suite: a few minutes with one emulated edge node",
    )
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


Judged = Callable[[Iterable[Verdict]], None]


@pytest.fixture
def judged(record_verdict: Callable[[Verdict], None]) -> Judged:
    """Records verdicts, and fails the test if any has not passed, or if there is none. Without
    evidence it does not fail as expected."""

    def judge(verdicts: Iterable[Verdict]) -> None:
        found = list(verdicts)
        for verdict in found:
            record_verdict(verdict)
        all_passed(found)

    return judge
