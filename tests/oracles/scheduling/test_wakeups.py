"""Wake-ups as cyclictest writes them: percentiles, and what is no evidence."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.wakeups import Wakeups, measures_of, parse_cyclictest, together
from tests.budget import examples


def written(*threads: dict[str, Any]) -> str:
    """A file of cyclictest 2.8, as far as it is read."""
    said = {str(number): thread for number, thread in enumerate(threads)}
    return json.dumps({"file_version": 1, "num_threads": len(threads), "thread": said})


def thread(histogram: dict[int, int], beyond: int = 0, most: int | None = None) -> dict[str, Any]:
    cycles = sum(histogram.values()) + beyond
    return {
        "histogram": {str(late): count for late, count in histogram.items()},
        "cycles": cycles,
        "min": min(histogram, default=0),
        "max": max(histogram, default=0) if most is None else most,
        "avg": 1.0,
        "cpu": 0,
        "node": 0,
    }


RECORDED = """{
  "file_version": 1,
  "cmdline:": "cyclictest --mlockall --smp --quiet --histogram=200000 --duration=2 --json=r.json",
  "rt_test_version:": "2.60",
  "return_code": 0,
  "sysinfo": {"sysname": "Linux", "machine": "x86_64", "realtime": 0},
  "num_threads": 2,
  "resolution_in_ns": 0,
  "thread": {
    "0": {
      "histogram": {"21": 1, "25": 4},
      "cycles": 5, "min": 21, "max": 25, "avg": 24.20, "cpu": 0, "node": -1
    },
    "1": {
      "histogram": {"23": 2, "155396": 1},
      "cycles": 4, "min": 23, "max": 310002, "avg": 116364.25, "cpu": 1, "node": -1
    }
  }
}"""
"""As rt-tests 2.6 wrote it on a busy machine, shortened."""


def test_what_cyclictest_wrote_is_understood() -> None:
    found = parse_cyclictest(RECORDED, 2)
    assert (found.total, found.beyond, found.most_us) == (9, 1, 310_002)
    assert found.percentile(50) == 25
    assert found.later_than(20_000) == 2


def test_all_cpus_are_counted_together() -> None:
    found = parse_cyclictest(written(thread({5: 90, 40: 10}), thread({5: 99}, 1, 900_000)), 2)
    assert (found.total, found.beyond, found.most_us) == (200, 1, 900_000)
    assert [found.percentile(each) for each in (50, 99, 100)] == [5, 40, 900_000]
    assert (found.later_than(5), found.later_than(40)) == (11, 1)


def test_windows_of_a_condition_are_one() -> None:
    first = parse_cyclictest(written(thread({5: 1})), 1)
    second = parse_cyclictest(written(thread({5: 1, 7: 1}, 1, 300_000)), 1)
    assert together([first, second]) == Wakeups({5: 2, 7: 1}, 1, 300_000, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        written(thread({5: 1})),
        written(thread({5: 1}), thread({})),
        written(thread({5: 1}), {**thread({5: 2}), "cycles": 1}),
        written(thread({5: 1}), {"cycles": 1}),
    ],
)
def test_what_is_not_of_every_cpu_is_no_evidence(text: str) -> None:
    with pytest.raises(LabError):
        parse_cyclictest(text, 2)


@settings(max_examples=examples(60))
@given(
    st.dictionaries(st.integers(0, 500), st.integers(1, 50), min_size=1, max_size=20),
    st.sampled_from([1.0, 50.0, 90.0, 99.0, 99.9, 100.0]),
)
def test_a_percentile_is_the_value_at_its_rank(histogram: dict[int, int], percent: float) -> None:
    found = parse_cyclictest(written(thread(histogram)), 1)
    ordered = sorted(late for late, count in histogram.items() for _ in range(count))
    rank = max(1, math.ceil(round(percent * len(ordered), 6) / 100))
    assert found.percentile(percent) == ordered[rank - 1]


def test_measures_name_what_they_hold_for() -> None:
    found = parse_cyclictest(written(thread({5: 99, 80: 1})), 1)
    measures = measures_of(found, "idle", "edge-arm", "cyclictest, tcg")
    assert {measure.label: measure.value for measure in measures} == {
        "p50": 5,
        "p99": 5,
        "p99.9": 80,
        "max": 80,
    }
    assert {measure.better for measure in measures} == {"lower"}
    assert all("tcg" in measure.evidence for measure in measures)
