"""The count of samples against what was served: each planted defect is found, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.metrics.counting import TOLERANCE_SECONDS, Count, compare, untrue
from edge_lab.addons.metrics.names import SCRAPE_SECONDS
from edge_lab.addons.metrics.records import NANOSECONDS, Served, Stored

START = 1_700_000_000 * NANOSECONDS
PERIOD = 2 * NANOSECONDS


def served(count: int) -> list[Served]:
    return [Served(n, START + n * PERIOD, {"boiler": 100 + n}) for n in range(1, count + 1)]


def stored(samples: list[Served]) -> list[Stored]:
    return [Stored(scrape.number, scrape.time, scrape.devices) for scrape in samples]


def test_what_is_there_is_whole() -> None:
    truth = served(20)
    assert compare(truth, stored(truth)) == Count(served=20, stored=20, doubtful=0)
    assert compare(truth, stored(truth)).whole


def test_nothing_at_all_is_not_judged_whole_by_chance() -> None:
    truth = served(5)
    count = compare(truth, [])
    assert [len(gap) for gap in count.gaps] == [5]
    assert compare([], []) == Count(served=0, stored=0, doubtful=0)


def test_a_scrape_that_the_sender_reports_as_failed_is_not_required() -> None:
    truth = served(20)
    lost = [truth[6], truth[7]]
    left = stored([scrape for scrape in truth if scrape not in lost])
    reports = [scrape.time - 300_000_000 for scrape in lost]
    count = compare(truth, left, failed=reports)
    assert (count.unscraped, count.gaps) == ((7, 8), ())


def test_a_report_of_a_failed_scrape_explains_one_missing_sample() -> None:
    truth = served(20)
    left = stored(truth[:6] + truth[8:])
    count = compare(truth, left, failed=[truth[6].time])
    assert count.unscraped == (7,)
    assert [scrape.number for scrape in count.missing] == [8]


@pytest.mark.parametrize("seconds", [-5.0, 0.5, 60.0])
def test_a_report_of_another_time_explains_nothing(seconds: float) -> None:
    truth = served(20)
    left = stored(truth[:6] + truth[7:])
    count = compare(truth, left, failed=[truth[6].time + int(seconds * NANOSECONDS)])
    assert [scrape.number for scrape in count.missing] == [7]


def test_a_gap_is_counted_sample_by_sample() -> None:
    truth = served(20)
    (gap,) = compare(truth, stored(truth[:5] + truth[9:])).gaps
    assert (gap.first, gap.last, len(gap), gap.seconds) == (6, 9, 4, 6.0)


@given(st.integers(1, 60), st.sets(st.integers(1, 60)))
def test_gaps_are_what_was_taken_out(count: int, lost: set[int]) -> None:
    truth = served(count)
    left = [scrape for scrape in truth if scrape.number not in lost]
    found = compare(truth, stored(left), until=count)
    assert {scrape.number for scrape in found.missing} == {n for n in lost if n <= count}
    # Between two gaps something has arrived.
    starts, ends = [gap.first for gap in found.gaps[1:]], [gap.last for gap in found.gaps]
    assert all(start > end + 1 for start, end in zip(starts, ends, strict=False))
    assert found.served == count == found.stored + len(found.missing)


@given(st.lists(st.integers(1, 30)), st.randoms())
def test_the_order_of_what_is_stored_does_not_count(lost: list[int], chance: object) -> None:
    truth = served(30)
    samples = stored([scrape for scrape in truth if scrape.number not in lost])
    mixed = list(samples)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert compare(truth, mixed) == compare(truth, samples)


@given(st.integers(1, 10), st.sampled_from(["repeated", "wrong", "unknown", "misdated"]))
def test_each_defect_comes_by_itself(number: int, defect: str) -> None:
    truth = served(10)
    samples = stored(truth)
    hit = samples[number - 1]
    late = round((TOLERANCE_SECONDS + 1) * NANOSECONDS)
    match defect:
        case "repeated":
            samples.append(replace(hit, time=hit.time + NANOSECONDS))
        case "wrong":
            samples[number - 1] = replace(hit, devices={"boiler": 7})
        case "unknown":
            truth = [scrape for scrape in truth if scrape.number != number]
        case "misdated":
            samples[number - 1] = replace(hit, time=hit.time + late)
    count = compare(truth, samples)
    # Without its last number the truth ends sooner; what is beyond it was never served.
    planted = {name: getattr(count, name) for name in ("repeated", "wrong", "unknown", "misdated")}
    assert planted == {name: (number,) if name == defect else () for name in planted}
    assert not count.gaps
    assert not count.whole


@pytest.mark.parametrize(
    ("seconds", "misdated"),
    [
        (0.5, False),
        (TOLERANCE_SECONDS + 0.1, True),
        (-SCRAPE_SECONDS - 1, False),
        (-SCRAPE_SECONDS - TOLERANCE_SECONDS - 0.1, True),
    ],
)
def test_a_timestamp_is_that_of_the_scrape_which_began_before(
    seconds: float, misdated: bool
) -> None:
    truth = served(1)
    sample = Stored(1, truth[0].time + round(seconds * NANOSECONDS), truth[0].devices)
    assert bool(compare(truth, [sample]).misdated) == misdated


def test_the_same_sample_twice_is_stored_once() -> None:
    truth = served(3)
    assert compare(truth, stored(truth) * 2).whole


@pytest.mark.parametrize("lacking", [{}, {"boiler": 101, "press": 1}])
def test_a_device_that_is_missing_or_more_is_wrong(lacking: dict[str, int]) -> None:
    truth = served(1)
    assert compare(truth, [Stored(1, truth[0].time, lacking)]).wrong == (1,)


def test_what_was_served_so_late_that_nobody_waited_is_not_owed() -> None:
    truth = served(5)
    truth[2] = replace(truth[2], doubtful=True)
    assert compare(truth, stored(truth[:2] + truth[3:])).whole
    assert compare(truth, stored(truth)).whole
    assert [len(gap) for gap in compare(truth, stored(truth[:2] + truth[4:])).gaps] == [1]


def test_only_what_is_asked_for_is_judged() -> None:
    truth = served(10)
    arrived = stored(truth[4:])
    assert compare(truth, arrived, after=4).whole
    assert compare(truth, stored(truth[4:7]), after=4, until=7).whole
    assert compare(truth, arrived, after=3).gaps


def test_a_number_that_no_device_has_shown_is_untrue() -> None:
    truth = served(3)
    assert untrue(truth, "boiler", range(100, 110)) == ()
    assert untrue(truth, "boiler", (101, 103)) == (2,)
    assert untrue(truth, "press", ()) == ()
