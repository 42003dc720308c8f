"""The latency of samples by stage, with clocks that differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.workload.records import CollectedSample
from edge_lab.core.errors import LabError
from edge_lab.devices.truth import TruthStep
from edge_lab.oracles.samplelatency import sample_stages
from edge_lab.oracles.scheduling.clock import ClockBounds

MS = 1_000_000
EXACT = ClockBounds(0, 0)


def sample(seq: int, sampled: int, received: int) -> CollectedSample:
    return CollectedSample(
        node="edge-arm",
        device="boiler",
        number=seq,
        seq=seq,
        sampled=sampled,
        received=received,
        values={},
    )


def truth(*times: int) -> list[TruthStep]:
    return [TruthStep(seq, time, {}, {}, 0) for seq, time in enumerate(times)]


@given(st.integers(-3600_000, 3600_000), st.integers(-3600_000, 3600_000))
def test_stages_do_not_depend_on_the_clocks_of_guests(node_ms: int, server_ms: int) -> None:
    node, server = node_ms * MS, server_ms * MS
    found = sample_stages(
        [sample(0, 40 * MS + node, 140 * MS + server)],
        truth(10 * MS),
        ClockBounds(node - 5 * MS, node + 5 * MS),
        ClockBounds(server - MS, server + MS),
    )
    assert found.read == pytest.approx((0.03,))
    assert found.deliver == pytest.approx((0.1,))
    assert found.total == pytest.approx((0.13,))
    assert (found.read_error, found.deliver_error) == pytest.approx((0.005, 0.006))


def test_what_is_early_within_the_error_counts_as_zero() -> None:
    found = sample_stages(
        [sample(0, 8 * MS, 20 * MS)], truth(10 * MS), ClockBounds(-3 * MS, 3 * MS), EXACT
    )
    assert found.read == (0.0,)


@pytest.mark.parametrize(
    ("sampled", "received"),
    [pytest.param(5, 20, id="read early"), pytest.param(20, 15, id="received early")],
)
def test_a_sample_before_its_cause_is_an_error(sampled: int, received: int) -> None:
    with pytest.raises(LabError, match="too early"):
        sample_stages([sample(0, sampled * MS, received * MS)], truth(10 * MS), EXACT, EXACT)


def test_a_sample_of_an_unknown_step_is_an_error() -> None:
    with pytest.raises(LabError, match="has not shown"):
        sample_stages([sample(7, 20 * MS, 30 * MS)], truth(10 * MS), EXACT, EXACT)


def test_no_sample_is_no_evidence() -> None:
    with pytest.raises(LabError, match="no evidence"):
        sample_stages([], truth(10 * MS), EXACT, EXACT)
