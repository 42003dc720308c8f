"""The API server's metrics: percentiles of what came between two looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.observe.fleet.apimetrics import Buckets, parse_api_metrics

EDGES = (0.1, 1.0, math.inf)


def metrics(counts: Sequence[int], *, renewed: int = 100, refused: int = 0) -> str:
    """`counts` of PUT leases by bucket, added up; the same of the datastore's updates."""
    lines = []
    for name, labels in (
        (
            "apiserver_request_sli_duration_seconds",
            'verb="PUT",resource="leases",subresource="",scope="resource",group="x",version="v1"',
        ),
        ("etcd_request_duration_seconds", 'operation="update",resource="leases"'),
    ):
        lines.append(f"# TYPE {name} histogram")
        for edge, count in zip(("0.1", "1", "+Inf"), counts, strict=True):
            lines.append(f'{name}_bucket{{{labels},le="{edge}"}} {count}')
        lines += [f"{name}_sum{{{labels}}} 1", f"{name}_count{{{labels}}} {counts[-1]}"]
    name = "apiserver_request_sli_duration_seconds_bucket"
    lines += [f'{name}{{verb="WATCH",resource="nodes",scope="cluster",le="+Inf"}} 7']
    lines += [f'{name}{{verb="GET",resource="",scope="",le="+Inf"}} {2 * counts[-1]}']
    lines += ["# TYPE apiserver_request_total counter"]
    for code, count in (("200", renewed), ("429", refused), ("504", 0)):
        lines.append(
            f'apiserver_request_total{{verb="PUT",resource="leases",code="{code}"}} {count}'
        )
    lines += ["# TYPE other gauge", "other 1"]
    return "\n".join(lines) + "\n"


def test_percentiles_are_of_what_came_in_between() -> None:
    before, after = (parse_api_metrics(metrics(counts)) for counts in ([9, 9, 9], [9, 109, 109]))
    (calls,) = after.calls(before)
    assert (calls.name, calls.count, calls.capped) == ("PUT leases", 100, False)
    assert calls.p50_s == pytest.approx(0.55)
    assert calls.p99_s == pytest.approx(0.991)
    (together,) = after.objectives(before)
    assert (together.verb, together.count) == ("change", 100)
    (store,) = after.datastore_calls(before)
    assert (store.name, store.count) == ("update leases", 100)


def test_a_percentile_beyond_the_last_bound_is_at_least_that() -> None:
    before, after = parse_api_metrics(metrics([0, 0, 0])), parse_api_metrics(metrics([0, 0, 50]))
    (calls,) = after.calls(before)
    assert (calls.p99_s, calls.capped) == (1.0, True)


def test_what_nobody_asked_meanwhile_has_no_percentile() -> None:
    seen = parse_api_metrics(metrics([1, 1, 1]))
    assert seen.calls(seen) == ()


def test_answers_are_counted_by_code() -> None:
    before = parse_api_metrics(metrics([1, 1, 1]))
    after = parse_api_metrics(metrics([1, 1, 1], renewed=140, refused=3))
    assert after.lease_renewals(before) == 40
    assert (after.refused(before), after.failed(before)) == (3, 0)


def test_an_api_server_that_has_begun_anew_is_no_evidence() -> None:
    before, after = parse_api_metrics(metrics([5, 5, 5])), parse_api_metrics(metrics([1, 1, 1]))
    with pytest.raises(LabError):
        after.calls(before)


@pytest.mark.parametrize("text", ["", "other 1\n", '{"code": 403}', "<html>"])
def test_what_is_no_metrics_is_no_evidence(text: str) -> None:
    with pytest.raises(LabError):
        parse_api_metrics(text)


@given(
    st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_that_holds_it(counts: list[int], part: float) -> None:
    total, sums = 0, {}
    for edge, count in zip(EDGES, counts, strict=True):
        total += count
        sums[edge] = float(total)
    value, capped = Buckets(sums).quantile(part)
    holds = next(edge for edge in EDGES if sums[edge] >= part * total and sums[edge] > 0)
    assert capped == math.isinf(holds)
    below = max((edge for edge in EDGES if edge < holds), default=0.0)
    assert below <= value <= holds
