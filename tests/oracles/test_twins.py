"""The twin oracle on recorded observations, with a negative control for each thing it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.twins.status import ReportedProperty, TwinStatus
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE, SEQUENCE_POINT, Point
from edge_lab.devices.truth import TruthStep
from edge_lab.measuring.spread import spread
from edge_lab.oracles.twinlatency import Latency, twin_latencies
from edge_lab.oracles.twins import TwinObservation, TwinSighting, is_current, judge_twin

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
STEPS = 60
LATE, SILENT = 5.0, 20.0

POINTS = {
    SEQUENCE: SEQUENCE_POINT,
    "temperature": Point("temperature", "°C", digits=1),
    REQUESTED_SETPOINT: Point(REQUESTED_SETPOINT, "°C", digits=1),
}


def step(seq: int) -> TruthStep:
    requested = 700 if seq < 30 else 650
    return TruthStep(seq, START + seq * SECOND, {"temperature": 600 + seq}, {}, requested)


def sighting(seq: int, after: float = 0.7) -> TwinSighting:
    """Of step `seq`, `after` seconds after it was shown."""
    shown = step(seq)
    properties = {
        SEQUENCE: ReportedProperty(str(seq)),
        "temperature": ReportedProperty(f"{shown.values['temperature'] / 10:.1f}"),
        REQUESTED_SETPOINT: ReportedProperty(f"{shown.requested / 10:.1f}"),
    }
    return TwinSighting(
        shown.time + round(after * SECOND), TwinStatus("boiler-edge", "online", properties)
    )


def with_value(seen: TwinSighting, name: str, value: str) -> TwinSighting:
    properties = {**seen.status.properties, name: ReportedProperty(value)}
    return replace(seen, status=replace(seen.status, properties=properties))


GOOD = TwinObservation(
    twin="boiler-edge",
    began=START + 9 * SECOND,
    ended=START + (STEPS + 1) * SECOND,
    sightings=[sighting(seq) for seq in range(10, STEPS, 2)],
    truth=[step(seq) for seq in range(1, STEPS + 2)],
    points=POINTS,
    raw=True,
    collect_s=2.0,
)


def judge(observation: TwinObservation) -> str:
    return str(judge_twin(observation, late_after=LATE, silent_after=SILENT))


def test_an_honest_twin_passes() -> None:
    verdict = judge_twin(GOOD, late_after=LATE, silent_after=SILENT)
    assert verdict.passed, str(verdict)
    assert verdict.judged == 25 * 2 + 2
    assert verdict.oldest == 0.0
    assert 2.0 <= verdict.silence <= 3.0


def test_a_twin_of_an_opcua_device_is_judged_in_its_unit() -> None:
    truth = [
        replace(each, values={"temperature": each.values["temperature"] / 10})
        for each in GOOD.truth
    ]
    assert judge_twin(
        replace(GOOD, truth=truth, raw=False), late_after=LATE, silent_after=SILENT
    ).passed
    assert "wrong" in judge(replace(GOOD, truth=truth))


@pytest.mark.parametrize("value", ["99.9", "62.05", "warm", "nan", "-1"])
def test_a_value_that_was_never_shown_is_wrong(value: str) -> None:
    seen = list(GOOD.sightings)
    seen[5] = with_value(seen[5], "temperature", value)
    verdict = judge_twin(replace(GOOD, sightings=seen), late_after=LATE, silent_after=SILENT)
    assert not verdict.passed
    assert [each.value for each in verdict.wrong] == [value]
    assert f"reported as {value!r}" in str(verdict)


def test_a_property_that_has_no_value_yet_is_no_wrong_one() -> None:
    seen = list(GOOD.sightings)
    seen[0] = with_value(seen[0], "temperature", "")
    assert judge_twin(replace(GOOD, sightings=seen), late_after=LATE, silent_after=SILENT).passed
    never = [with_value(each, "temperature", "") for each in seen]
    assert "never reported: temperature" in judge(replace(GOOD, sightings=never))


def test_a_twin_is_current_when_all_of_it_is_of_the_last_step() -> None:
    last = sighting(STEPS + 1)
    assert is_current(last.status, GOOD)
    assert not is_current(sighting(STEPS).status, GOOD)
    assert not is_current(with_value(last, "temperature", "60.1").status, GOOD)
    assert not is_current(with_value(last, "temperature", "").status, GOOD)
    assert not is_current(last.status, replace(GOOD, truth=[]))


def test_a_value_that_is_shown_only_later_is_wrong() -> None:
    seen = list(GOOD.sightings)
    seen[5] = with_value(seen[5], SEQUENCE, str(STEPS))
    assert "wrong: sequence" in judge(replace(GOOD, sightings=seen))


def test_what_was_known_before_is_not_judged_but_must_be_followed_by_something_newer() -> None:
    old = {SEQUENCE: "1", "temperature": "60.1"}
    # One property after the other: the first report shows the old value of the rest.
    seen = [with_value(GOOD.sightings[0], "temperature", "60.1"), *GOOD.sightings[1:]]
    verdict = judge_twin(
        replace(GOOD, sightings=seen, known=old), late_after=LATE, silent_after=SILENT
    )
    assert verdict.passed, str(verdict)
    assert "late: temperature" in judge(replace(GOOD, sightings=seen))
    stands = [with_value(each, "temperature", "60.1") for each in seen]
    assert "stuck: temperature is still 60.1, last shown 59.0 s before" in judge(
        replace(GOOD, sightings=stands, known=old)
    )


def test_what_was_known_before_and_never_shown_is_stuck_when_it_stays() -> None:
    stands = [with_value(each, "temperature", "99.9") for each in GOOD.sightings]
    verdict = judge(replace(GOOD, sightings=stands, known={"temperature": "99.9"}))
    assert "stuck: temperature is still 99.9, never shown" in verdict
    assert "stuck" not in judge(replace(GOOD, sightings=stands)).partition("\n")[2]


def test_a_known_value_that_the_device_still_shows_is_neither_missing_nor_stuck() -> None:
    truth = [replace(each, requested=700) for each in GOOD.truth]
    seen = [with_value(each, REQUESTED_SETPOINT, "70.0") for each in GOOD.sightings]
    known = {REQUESTED_SETPOINT: "70.0"}
    verdict = judge_twin(
        replace(GOOD, truth=truth, sightings=seen, known=known),
        late_after=LATE,
        silent_after=SILENT,
    )
    assert verdict.passed, str(verdict)


def test_a_property_that_no_longer_changes_is_stuck() -> None:
    stands = [
        with_value(each, "temperature", "61.0") if number else each
        for number, each in enumerate(GOOD.sightings)
    ]
    assert "stuck: temperature" in judge(replace(GOOD, sightings=stands))


def test_a_property_that_the_device_does_not_have_is_wrong() -> None:
    seen = [with_value(each, "colour", "1") for each in GOOD.sightings]
    assert "wrong: colour" in judge(replace(GOOD, sightings=seen))


def test_a_value_that_comes_too_late_is_late_and_not_wrong() -> None:
    seen = [
        sighting(seq, after=1 + 2.0 + LATE + (0.1 if seq == 20 else -0.1))
        for seq in range(10, STEPS - 10, 2)
    ]
    verdict = judge_twin(replace(GOOD, sightings=seen), late_after=LATE, silent_after=SILENT)
    assert not verdict.wrong
    assert {each.property for each in verdict.late} == {SEQUENCE, "temperature"}
    assert len(verdict.late) == 2


def test_a_report_that_is_undone_goes_back_and_is_not_late() -> None:
    seen = list(GOOD.sightings)
    undone = with_value(seen[5], "temperature", seen[3].status.properties["temperature"].value)
    undone = replace(undone, time=undone.time + SECOND // 10)
    again = replace(seen[5], time=undone.time + 9 * SECOND)
    rest = [each for each in seen[6:] if each.time > again.time]
    verdict = judge_twin(
        replace(GOOD, sightings=[*seen[:6], undone, again, *rest]),
        late_after=LATE,
        silent_after=SILENT,
    )
    assert [(each.property, each.value) for each in verdict.back] == [("temperature", "61.6")]
    assert "went back: temperature = 61.6 was last shown 3.8 s before" in str(verdict)
    # The newer one is no news when it comes again, however old it is by then.
    assert not verdict.late, str(verdict)


def test_a_value_that_becomes_none_has_gone_back() -> None:
    seen = list(GOOD.sightings)
    seen[5] = with_value(seen[5], "temperature", "")
    verdict = judge_twin(replace(GOOD, sightings=seen), late_after=LATE, silent_after=SILENT)
    assert not verdict.passed
    assert not verdict.wrong
    assert [(each.property, each.value) for each in verdict.back] == [("temperature", "")]
    assert "went back: temperature has no value, and one had been reported" in str(verdict)
    assert judge_twin(
        replace(GOOD, sightings=seen), late_after=LATE, silent_after=SILENT, may_go_back=True
    ).passed


def test_a_value_that_the_device_shows_again_has_not_gone_back() -> None:
    truth = [replace(each, values={"temperature": 600 + each.seq % 4 // 2}) for each in GOOD.truth]
    seen = [
        with_value(sighting(seq), "temperature", f"{60 + seq % 4 // 2 / 10:.1f}")
        for seq in range(10, STEPS, 2)
    ]
    verdict = judge_twin(
        replace(GOOD, truth=truth, sightings=seen), late_after=LATE, silent_after=SILENT
    )
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(("after", "silent"), [(0.2, False), (1.2, True)])
def test_a_twin_may_be_silent_for_its_cycle_and_no_more_than_said(
    after: float, silent: bool
) -> None:
    before = [sighting(seq) for seq in range(10, 22, 2)]
    seen = [*before, sighting(42, after), *(sighting(seq) for seq in range(44, STEPS, 2))]
    silence = 22 + after - 0.7
    assert silence > SILENT
    assert (silence > GOOD.collect_s + SILENT) == silent
    assert ("silent" in judge(replace(GOOD, sightings=seen))) == silent


def test_a_twin_that_falls_silent_does_not_pass() -> None:
    assert "silent" in judge(replace(GOOD, sightings=GOOD.sightings[:10]))
    assert "silent" in judge(replace(GOOD, sightings=GOOD.sightings[15:]))


def test_a_property_that_is_never_reported_is_missing() -> None:
    seen = []
    for each in GOOD.sightings:
        kept = {k: v for k, v in each.status.properties.items() if k != "temperature"}
        seen.append(replace(each, status=replace(each.status, properties=kept)))
    assert "never reported: temperature" in judge(replace(GOOD, sightings=seen))


def test_no_evidence_is_no_pass() -> None:
    assert "no value was seen" in judge(replace(GOOD, sightings=[]))
    assert "ground truth is empty" in judge(replace(GOOD, truth=[]))


def test_a_setpoint_may_be_read_back_before_the_truth_has_its_step() -> None:
    early = with_value(sighting(28, after=1.5), REQUESTED_SETPOINT, "65.0")
    seen = [*GOOD.sightings[:10], early, *GOOD.sightings[10:]]
    assert judge_twin(replace(GOOD, sightings=seen), late_after=LATE, silent_after=SILENT).passed
    sooner = with_value(sighting(26, after=1.5), REQUESTED_SETPOINT, "65.0")
    seen = [*GOOD.sightings[:9], sooner, *GOOD.sightings[9:]]
    assert "wrong: requested_setpoint" in judge(replace(GOOD, sightings=seen))


def test_a_pause_of_the_device_does_not_let_a_setpoint_be_read_sooner() -> None:
    pause = 30 * SECOND
    truth = [
        each if each.seq < 50 else replace(each, time=each.time + pause) for each in GOOD.truth
    ]
    sooner = with_value(sighting(26, after=1.5), REQUESTED_SETPOINT, "65.0")
    seen = [*GOOD.sightings[:9], sooner, *GOOD.sightings[9:20]]
    verdict = judge(replace(GOOD, sightings=seen, truth=truth))
    assert "wrong: requested_setpoint" in verdict
    early = with_value(sighting(28, after=1.5), REQUESTED_SETPOINT, "65.0")
    seen = [*GOOD.sightings[:10], early, *GOOD.sightings[10:20]]
    assert "wrong" not in judge(replace(GOOD, sightings=seen, truth=truth)).partition("\n")[2]


# -- latency -------------------------------------------------------------------------------


def test_latency_is_from_the_step_to_its_first_sighting() -> None:
    seen = [sighting(10, 0.5), sighting(12, 0.5), sighting(12, 0.9), sighting(14, 1.5)]
    # Of the first nobody knows since when it was reported.
    assert twin_latencies(seen, GOOD.truth) == pytest.approx((0.5, 1.5))


def test_a_step_that_the_device_has_not_shown_has_no_latency() -> None:
    seen = [sighting(10), with_value(sighting(12), SEQUENCE, "4711"), sighting(14, 1.0)]
    assert twin_latencies(seen, GOOD.truth) == pytest.approx((1.0,))


def test_the_figures_are_those_of_the_nearest_rank() -> None:
    figures = Latency.of(float(number) for number in range(100, 0, -1))
    assert (figures.count, figures.p50, figures.p90, figures.p99, figures.longest) == (
        *(100, 50.0, 90.0, 99.0),
        100.0,
    )
    assert Latency.of([]).count == 0


def test_latencies_are_measures_of_one_line() -> None:
    found = Latency.of([0.5, 1.5]).measures("press to the cluster", node="edge-arm")
    (line,) = spread(found)
    assert line.heading == "press to the cluster"
    assert line.text == "0.5 s p50, 1.5 s p90, 1.5 s p99, 1.5 s at most, 2 steps"
    assert {measure.node for measure in found} == {"edge-arm"}
    (none,) = spread(Latency.of([]).measures("press to the cluster", node="edge-arm"))
    assert none.text == "0 steps"
    assert "no step was seen" in none.hint
