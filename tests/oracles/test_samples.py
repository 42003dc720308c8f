"""The sample oracle on recorded observations, with a negative control for each thing it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.workload.records import CollectedSample, SampleCounts
from edge_lab.devices.truth import TruthStep
from edge_lab.evidence.samples import SampleObservation
from edge_lab.oracles.samples import judge_samples

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def values(seq: int) -> dict[str, int | float]:
    return {"force": seq + 0.5, "parts": seq}


def truth(first: int, last: int) -> list[TruthStep]:
    return [
        TruthStep(seq, START + seq * SECOND, values(seq), {}, 0) for seq in range(first, last + 1)
    ]


def sample(number: int, seq: int, delay: float = 0.3, **change: Any) -> CollectedSample:
    arrival = START + seq * SECOND + int(delay * SECOND)
    made = CollectedSample(
        node="edge",
        device="press",
        number=number,
        seq=seq,
        sampled=arrival,
        received=arrival,
        values=values(seq),
    )
    return made.model_copy(update=change)


def counts(sampled: int, acknowledged: int, waiting: int = 0, last_seq: int = 0) -> SampleCounts:
    return SampleCounts(
        sampled=sampled,
        acknowledged=acknowledged,
        waiting=waiting,
        sent=sampled,
        last_seq=last_seq,
        read_errors=0,
        connected=True,
        last_error="",
    )


GOOD = SampleObservation(
    node="edge",
    device="press",
    truth=truth(1, 30),
    counts=counts(20, 20, last_seq=25),
    # The sampler began with the device's step 6.
    collected=[sample(number, number + 5) for number in range(1, 21)],
)


def test_a_whole_chain_passes_with_its_numbers() -> None:
    verdict = judge_samples(GOOD)
    assert verdict.passed, verdict
    assert (verdict.written, verdict.sampled, verdict.arrived, verdict.waiting) == (20, 20, 20, 0)
    flaws = (verdict.lost, verdict.repeated, verdict.wrong, verdict.missed, verdict.late)
    assert flaws == ((), (), (), (), ())


def test_a_number_that_never_arrived_is_lost() -> None:
    verdict = judge_samples(replace(GOOD, collected=[s for s in GOOD.collected if s.number != 7]))
    assert verdict.lost == (7,)
    assert not verdict.passed
    assert "1 lost: 7" in verdict.problems


def test_the_last_number_can_be_lost_too() -> None:
    verdict = judge_samples(replace(GOOD, collected=GOOD.collected[:-1]))
    assert verdict.lost == (20,)


def test_what_waits_on_the_node_is_not_lost() -> None:
    waiting = replace(GOOD, counts=counts(23, 20, 3, 28))
    verdict = judge_samples(waiting)
    assert verdict.passed, verdict
    assert (verdict.waiting, verdict.lost, verdict.sampled) == (3, (), 23)
    assert verdict.missed == ()


def test_more_absent_than_the_sampler_holds_is_lost() -> None:
    verdict = judge_samples(replace(GOOD, counts=counts(23, 20, 1, 28)))
    assert verdict.waiting == 1
    assert verdict.lost == (21, 22)


def test_what_was_confirmed_but_is_not_there_is_lost() -> None:
    verdict = judge_samples(replace(GOOD, counts=counts(23, 23, 3, 28)))
    assert verdict.lost == (21, 22, 23)


def test_one_number_twice_is_repeated() -> None:
    verdict = judge_samples(replace(GOOD, collected=[*GOOD.collected, GOOD.collected[3]]))
    assert verdict.repeated == (4,)
    assert verdict.arrived == 20
    assert not verdict.passed


def test_one_step_under_two_numbers_is_repeated() -> None:
    collected = [*GOOD.collected[:-1], sample(20, 24)]
    verdict = judge_samples(replace(GOOD, collected=collected))
    assert verdict.repeated == (20,)
    assert not verdict.passed


@pytest.mark.parametrize(
    ("altered", "difference"),
    [
        ({"force": 12.6, "parts": 12}, "force: shown 12.5, arrived 12.6"),
        ({"force": 12.5}, "parts: shown 12, arrived nothing"),
        ({"force": 12.5, "parts": 12, "more": 1}, "more: shown nothing, arrived 1"),
        ({}, "force: shown 12.5, arrived nothing, parts: shown 12, arrived nothing"),
    ],
)
def test_an_altered_sample_is_wrong(altered: dict[str, float], difference: str) -> None:
    collected = [s if s.number != 7 else sample(7, 12, values=altered) for s in GOOD.collected]
    verdict = judge_samples(replace(GOOD, collected=collected))
    (wrong,) = verdict.wrong
    assert (wrong.number, wrong.seq, wrong.difference) == (7, 12, difference)
    assert not verdict.passed


def test_a_step_that_the_device_never_showed_is_wrong() -> None:
    verdict = judge_samples(replace(GOOD, truth=truth(1, 24)))
    assert [each.seq for each in verdict.wrong] == [25]
    assert not verdict.passed


def test_steps_without_a_sample_are_missed_and_no_failure() -> None:
    collected = [sample(number, number * 2) for number in range(1, 11)]
    verdict = judge_samples(replace(GOOD, counts=counts(10, 10), collected=collected))
    assert verdict.missed == (3, 5, 7, 9, 11, 13, 15, 17, 19)
    assert verdict.passed, verdict


def test_late_samples_are_named_and_no_failure() -> None:
    collected = [*GOOD.collected[:-1], sample(20, 25, delay=60)]
    verdict = judge_samples(replace(GOOD, collected=collected), late_after=10)
    (late,) = verdict.late
    assert late.number == 20
    assert late.seconds == pytest.approx(60)
    assert verdict.passed


def test_samples_of_others_are_not_counted() -> None:
    foreign = [s.model_copy(update={"node": "other"}) for s in GOOD.collected]
    other = [s.model_copy(update={"device": "boiler"}) for s in GOOD.collected]
    verdict = judge_samples(replace(GOOD, collected=[*foreign, *other]))
    assert verdict.arrived == 0
    assert not verdict.passed


def test_only_what_came_after_a_mark_is_judged() -> None:
    collected = [s for s in GOOD.collected if s.number != 7]
    verdict = judge_samples(replace(GOOD, collected=collected), since=10)
    assert verdict.passed, verdict
    assert (verdict.sampled, verdict.arrived) == (10, 10)


# -- no evidence is no pass ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("observation", "problem"),
    [
        (replace(GOOD, truth=[]), "ground truth is empty"),
        (replace(GOOD, counts=None), "did not answer"),
        (replace(GOOD, counts=counts(0, 0)), "has taken no sample"),
        (replace(GOOD, collected=[]), "no sample has arrived"),
        (SampleObservation("edge", "press", [], None, []), "no evidence"),
    ],
)
def test_without_evidence_nothing_passes(observation: SampleObservation, problem: str) -> None:
    verdict = judge_samples(observation)
    assert not verdict.passed
    assert problem in "; ".join(verdict.problems)


def test_nothing_new_since_a_mark_does_not_pass() -> None:
    assert not judge_samples(GOOD, since=20).passed


def test_the_verdict_reads_as_a_sentence() -> None:
    text = str(judge_samples(replace(GOOD, collected=GOOD.collected[:-1])))
    assert text.startswith("press on edge: 20 written, 20 sampled, 19 arrived, 0 waiting, 1 lost")
    assert text.endswith("1 lost: 20")


# -- whatever was recorded -----------------------------------------------------------------


@given(st.sets(st.integers(1, 20)), st.integers(0, 20), st.data())
def test_every_number_arrived_waits_or_is_lost(
    gone: set[int], acknowledged: int, data: st.DataObject
) -> None:
    waiting = data.draw(st.integers(0, 20))
    observation = replace(
        GOOD,
        counts=counts(20, acknowledged, waiting),
        collected=[s for s in GOOD.collected if s.number not in gone],
    )
    verdict = judge_samples(observation)
    assert verdict.arrived + verdict.waiting + len(verdict.lost) == 20
    assert set(verdict.lost) <= gone
    assert verdict.waiting <= waiting
    assert not [number for number in gone if number <= acknowledged and number not in verdict.lost]
    if verdict.lost:
        assert not verdict.passed


@given(st.integers(1, 20), st.sampled_from(["force", "parts"]), st.integers(1, 1000))
def test_no_altered_value_goes_unseen(number: int, name: str, by: int) -> None:
    good = GOOD.collected[number - 1]
    altered = good.model_copy(update={"values": {**good.values, name: good.values[name] + by}})
    collected = [altered if s is good else s for s in GOOD.collected]
    verdict = judge_samples(replace(GOOD, collected=collected))
    assert [each.number for each in verdict.wrong] == [number]
    assert not verdict.passed
