"""Slopes of memory: a planted leak is found, noise and a warm-up are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.evidence.leaks import LeakEvidence, LeakRound
from edge_lab.evidence.memory import Group, MemoryPart, NodeMemorySeen
from edge_lab.oracles.memory.leaks import LEAST_MIB, judge_leaks
from tests.budget import examples

PARTS = 20
LEAKER = "edge-lab/leaker"


def evidence(
    mib: Callable[[int, int], float], *, rounds: int = 12, pods: int = 5, parts: int = PARTS
) -> LeakEvidence:
    """`mib` by number of the round and of the part."""
    return LeakEvidence(
        node="edge-arm",
        runtime="kubernetes+openyurt",
        unit="pod",
        rounds=tuple(
            LeakRound(
                done=pods * (number + 1),
                seen=NodeMemorySeen(
                    time=number,
                    node="edge-arm",
                    machine_mib=2048,
                    total_mib=1970,
                    available_mib=900,
                    parts=(*_parts(number, parts, mib), _cache(number)),
                ),
            )
            for number in range(rounds)
        ),
    )


def _parts(number: int, parts: int, mib: Callable[[int, int], float]) -> Iterator[MemoryPart]:
    for part in range(parts):
        yield MemoryPart(
            group=Group.SYSTEM if part else Group.PODS,
            name=f"unit-{part}.service" if part else LEAKER,
            mib=round(mib(number, part), 1),
        )


def _cache(number: int) -> MemoryPart:
    return MemoryPart(group=Group.PAGE_CACHE, name="page cache", mib=10.0 * number)


def noisy(seed: int, leak: float = 0.0) -> Callable[[int, int], float]:
    """With a spread of half a MiB; the first part grows by `leak` MiB each round."""
    chance = np.random.default_rng(seed)
    return lambda number, part: 50 + chance.normal(0, 0.5) + (leak * number if part == 0 else 0)


def test_a_planted_leak_is_found_and_nothing_else() -> None:
    verdict = judge_leaks(evidence(noisy(1, leak=1.0)))
    assert [slope.part for slope in verdict.slopes if slope.leaks] == [LEAKER]
    assert len(verdict.problems) == 1
    slope = verdict.slope(LEAKER)
    assert slope.low < 1.0 / 5 < slope.high
    assert judge_leaks(evidence(noisy(1, leak=1.0)), may_leak=[LEAKER]).passed


def test_noise_is_told_from_a_leak_in_nearly_all_runs_whatever_the_number_of_parts() -> None:
    runs = [judge_leaks(evidence(noisy(seed))) for seed in range(25)]
    alarms = sum(any(slope.low > 0 for slope in verdict.slopes) for verdict in runs)
    assert alarms <= 3  # one in forty is the aim; without the correction it would be ten


def test_the_more_parts_the_wider_is_the_interval_of_each() -> None:
    values = np.random.default_rng(5).normal(50, 0.5, size=12)

    def width(parts: int) -> float:
        found = evidence(lambda number, part: float(values[number]), parts=parts)
        slope = judge_leaks(found).slope(LEAKER)
        return slope.high - slope.low

    assert width(20) > 1.3 * width(1)


def test_a_warm_up_is_no_leak() -> None:
    verdict = judge_leaks(evidence(lambda number, part: 50 + 10 * min(number, 3) / 3))
    assert verdict.passed, str(verdict)


def test_files_are_no_leak() -> None:
    names = {slope.part for slope in judge_leaks(evidence(noisy(2))).slopes}
    assert "page cache" not in names


def test_growth_that_is_too_small_to_matter_is_none() -> None:
    tiny = 0.9 * LEAST_MIB / 9
    verdict = judge_leaks(evidence(lambda number, part: 50 + tiny * number))
    assert verdict.passed, str(verdict)


def test_memory_that_falls_is_no_leak() -> None:
    assert judge_leaks(evidence(lambda number, part: 90 - 3 * number)).passed


def test_a_part_that_is_not_always_there_has_no_slope() -> None:
    found = evidence(noisy(3))
    seen = found.rounds[-1].seen
    without = seen.model_copy(update={"parts": seen.parts[1:]})
    last = found.rounds[-1].model_copy(update={"seen": without})
    verdict = judge_leaks(found.altered(rounds=(*found.rounds[:-1], last)))
    assert verdict.not_followed == (LEAKER,)
    with pytest.raises(LabError):
        verdict.slope(LEAKER)


def test_too_few_rounds_and_rounds_without_work_are_no_evidence() -> None:
    found = evidence(noisy(4))
    with pytest.raises(LabError):
        judge_leaks(found.altered(rounds=found.rounds[:7]))
    idle = tuple(leak_round.model_copy(update={"done": 5}) for leak_round in found.rounds)
    with pytest.raises(LabError):
        judge_leaks(found.altered(rounds=idle))


@settings(max_examples=examples(30))
@given(st.floats(0.5, 20))
def test_a_straight_line_has_its_own_slope(leak: float) -> None:
    verdict = judge_leaks(evidence(lambda number, part: 50 + leak * number, parts=2))
    slope = verdict.slope(LEAKER)
    assert slope.value == pytest.approx(leak / 5, abs=0.02)
    assert slope.low <= slope.value <= slope.high
    assert slope.leaks
