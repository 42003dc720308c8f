"""Shared by all suites: verdicts are recorded and judged; tests that take hours run only when
selected."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from edge_lab.oracles.verdict import Verdict
from suites.passing import all_passed

LONG = "long_running"


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
