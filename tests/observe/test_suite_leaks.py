"""Leak runs: what counts as work of twins, and the leak that is planted."""

from __future__ import annotations

import pytest

from edge_lab.addons.twins.status import ReportedProperty, TwinStatus
from edge_lab.fixtures.leaks import RUNS
from edge_lab.oracles.memory.leaks import KIB_PER_MIB, LEAST_MIB, WARM_UP
from edge_lab.oracles.twins import TwinSighting
from suites.memory.memorypods import LEAKER_LIMIT_MIB, leaks
from suites.memory.reports import reports_of

HOURS = {"short": 1.0, "long": 24.0}
"""That a run takes at most: rounds are short, but nodes may be emulated."""


@pytest.mark.parametrize("name", RUNS)
def test_the_planted_leak_is_seen_and_stays_below_its_limit(name: str) -> None:
    run = RUNS[name]
    per_second = run.leaker_kib / KIB_PER_MIB
    assert per_second * HOURS[name] * 3600 < LEAKER_LIMIT_MIB * 0.9
    least = run.rounds * (1 - WARM_UP) * run.twin_seconds
    assert per_second * least > 5 * LEAST_MIB
    assert f"bs={run.leaker_kib}k" in leaks(run.leaker_kib)


class Seen:
    """A watch that has seen these times of one property of each twin; 0 is no value yet."""

    def __init__(self, **taken: list[int]) -> None:
        self._taken = taken

    def sightings(self, twin: str) -> list[TwinSighting]:
        return [
            TwinSighting(0, TwinStatus(twin, "online", {"seq": ReportedProperty("", taken=taken)}))
            for taken in self._taken.get(twin, [])
        ]


@pytest.mark.parametrize(
    ("seen", "count"),
    [
        (Seen(here=[1, 2, 3]), 3),
        (Seen(here=[1], here_too=[1, 2]), 3),
        (Seen(elsewhere=[1, 2, 3]), 0),
        (Seen(here=[1, 1, 1, 2]), 2),
        (Seen(here=[0, 0]), 0),
        (Seen(), 0),
    ],
)
def test_only_new_reports_of_the_nodes_own_twins_are_work(seen: Seen, count: int) -> None:
    assert reports_of(["here", "here_too"], seen) == count
