"""The judges of suites/metrics: what passes, and each planted defect, which turns a verdict red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.metrics.records import NANOSECONDS, Origin, Served, Stored
from edge_lab.addons.metrics.senders import BLOCK_MINUTES
from edge_lab.faults.kinds import Reboot
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.verdict import Verdict
from suites.metrics.archive import is_archived
from suites.metrics.evidence import BEFORE, HEAL, RESET, Evidence, Line
from suites.metrics.judging import AFTER_RESET, NOTHING, judge_line, judge_samples, judge_sender
from suites.metrics.outages import last_before_pause
from suites.metrics.queries import counted

START = 1_700_000_000 * NANOSECONDS
BOOT_SECONDS = 60
CUT, LOST, HEALED = 10, 60, 70


def sample(number: int) -> Served:
    """Every two seconds, with a boot after the number LOST."""
    seconds = 2 * number + (BOOT_SECONDS if number > LOST else 0)
    return Served(number, START + seconds * NANOSECONDS, {"boiler": number})


def stored(served: tuple[Served, ...]) -> tuple[Stored, ...]:
    return tuple(Stored(scrape.number, scrape.time, scrape.devices) for scrape in served)


def evidence(missing: frozenset[int] = frozenset()) -> Evidence:
    served = tuple(sample(number) for number in range(CUT - 5, HEALED + 1))
    return Evidence(
        node="edge-arm",
        sender="vmagent",
        runtime="kubernetes+kubelet",
        served=served,
        stored=stored(tuple(scrape for scrape in served if scrape.number not in missing)),
        marks={BEFORE: CUT, RESET: LOST, HEAL: HEALED},
        drained_s=None if missing else 4.0,
        series=9,
        bytes_sent=6000.0,
    )


def value(verdict: Verdict, name: str) -> float | None:
    (found,) = [measure.value for measure in verdict.measures if measure.name == name]
    return found


def test_a_sample_whose_scrape_failed_is_not_lost() -> None:
    run = evidence(missing=frozenset({30}))
    assert not judge_samples(run).passed
    assert judge_samples(replace(run, failed=(sample(30).time,))).passed


def test_a_sender_that_reports_many_scrapes_as_failed_does_not_pass() -> None:
    many = range(20, 30)
    run = replace(
        evidence(missing=frozenset(many)), failed=tuple(sample(number).time for number in many)
    )
    (problem,) = judge_samples(run).problems
    assert problem.startswith("the sender reports 10 of")


def test_samples_that_never_arrived_are_no_evidence_from_before_the_fault() -> None:
    before = range(CUT - 5, CUT + 1)
    run = replace(
        evidence(missing=frozenset(before)), failed=tuple(sample(number).time for number in before)
    )
    assert any("from before the fault" in problem for problem in judge_samples(run).problems)


def test_a_run_without_a_loss_passes_with_its_figures() -> None:
    verdict = judge_samples(evidence())
    assert verdict.passed, str(verdict)
    assert value(verdict, "metric_samples_lost_vmagent") == 0
    assert value(verdict, "metrics_complete_after_the_heal_vmagent") == 4.0
    # 60 scrapes since the fault began, of 9 series each.
    assert value(verdict, "uplink_bytes_per_sample_vmagent") == pytest.approx(6000 / 60 / 9)


def test_what_the_view_has_of_before_and_after_is_not_judged() -> None:
    whole = evidence()
    more = tuple(Stored(number, 0, {}) for number in (1, HEALED + 1))
    assert judge_samples(replace(whole, stored=(*more, *whole.stored))).passed


def test_an_outage_is_archived_when_a_later_block_is_there() -> None:
    block_ns = 60 * BLOCK_MINUTES * NANOSECONDS
    whole, lacking = evidence(), evidence(frozenset({LOST}))
    assert is_archived(whole)
    assert not is_archived(lacking)
    ends = lacking.served[-1].time
    for newest, archived in ((ends + block_ns, False), (ends + block_ns + 1, True)):
        later = Stored(HEALED + 100, newest, {})
        assert is_archived(replace(lacking, stored=(*lacking.stored, later))) is archived


def test_a_senders_verdicts_are_those_on_its_own_samples() -> None:
    whole, lacking = evidence(), evidence(frozenset({33}))
    runs = {Origin("edge-arm", "vmagent"): lacking, Origin("edge-arm", "agent"): whole}
    assert [verdict.passed for verdict in judge_sender(runs, "vmagent")] == [False]
    assert [verdict.passed for verdict in judge_sender(runs, "agent")] == [True]
    assert judge_sender(runs, "thanos") == ()


def test_one_lost_sample_turns_it_red_and_is_counted() -> None:
    verdict = judge_samples(evidence(frozenset({33})))
    assert len(verdict.problems) == 1
    assert value(verdict, "metric_samples_lost_vmagent") == 1
    assert value(verdict, "metrics_complete_after_the_heal_vmagent") is None


PLANTED: dict[str, Callable[[Evidence], Evidence]] = {
    "repeated": lambda evidence: replace(
        evidence,
        stored=(*evidence.stored, replace(evidence.stored[20], time=evidence.stored[20].time + 1)),
    ),
    "wrong": lambda evidence: replace(
        evidence,
        stored=(*evidence.stored[:-1], replace(evidence.stored[-1], devices={"boiler": 1})),
    ),
    "unknown": lambda evidence: replace(
        evidence, served=(*evidence.served[:30], *evidence.served[31:])
    ),
    "untrue": lambda evidence: replace(evidence, untrue=(20,)),
    "misdated": lambda evidence: replace(
        evidence,
        stored=(
            *evidence.stored[:-1],
            replace(evidence.stored[-1], time=evidence.stored[-1].time + 10**10),
        ),
    ),
}


@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_defect_turns_it_red(defect: str) -> None:
    verdict = judge_samples(PLANTED[defect](evidence()))
    assert len(verdict.problems) == 1, str(verdict)


@pytest.mark.parametrize(
    "harm",
    [
        lambda evidence: replace(evidence, served=(), stored=()),
        lambda evidence: replace(evidence, marks={}),
        lambda evidence: replace(evidence, served=evidence.served[:8], stored=evidence.stored[:8]),
        lambda evidence: replace(evidence, marks={**evidence.marks, HEAL: CUT + 3}),
        lambda evidence: replace(evidence, stored=evidence.stored[6:]),
    ],
    ids=["nothing", "no marks", "too short", "healed at once", "broken before"],
)
def test_no_evidence_is_no_pass(harm: Callable[[Evidence], Evidence]) -> None:
    verdict = judge_samples(harm(evidence()), AFTER_RESET)
    assert any(problem.startswith("no evidence") for problem in verdict.problems)


# -- what a loss of power may cost ----------------------------------------------------------------


def test_what_was_not_on_the_disk_yet_may_be_missing_after_a_reset() -> None:
    unsynced = frozenset(range(LOST - 19, LOST + 1))
    assert judge_samples(evidence(unsynced), AFTER_RESET).passed
    assert not judge_samples(evidence(unsynced), NOTHING).passed
    assert not judge_samples(evidence(unsynced | {LOST + 1}), AFTER_RESET).passed
    assert not judge_samples(evidence(unsynced | {LOST - 25}), AFTER_RESET).passed


def test_what_was_being_sent_may_be_missing_after_a_reset() -> None:
    assert judge_samples(evidence(frozenset({CUT, CUT + 1, CUT + 2})), AFTER_RESET).passed
    many = frozenset(range(CUT - 2, CUT + 7))
    assert len(many) == AFTER_RESET.in_flight + 1
    assert not judge_samples(evidence(many), AFTER_RESET).passed


def test_all_of_the_outage_may_not() -> None:
    """What Prometheus' remote write loses."""
    verdict = judge_samples(evidence(frozenset(range(CUT + 1, LOST + 1))), AFTER_RESET)
    assert not verdict.passed
    assert value(verdict, "metric_samples_lost_vmagent") == LOST - CUT


def test_without_a_reset_nothing_was_unsynced() -> None:
    cut = replace(evidence(frozenset({LOST})), marks={BEFORE: CUT, HEAL: HEALED})
    assert not judge_samples(cut, AFTER_RESET).passed


@given(st.sets(st.integers(CUT - 5, HEALED)))
def test_any_loss_is_a_verdict_and_counted(missing: set[int]) -> None:
    verdict = judge_samples(evidence(frozenset(missing)))
    assert value(verdict, "metric_samples_lost_vmagent") == len(missing)
    assert verdict.passed == (not missing)


def reset(began: int, seen: int | None) -> FaultRecord:
    return FaultRecord(id=1, fault=Reboot(node="edge-arm"), began=began, seen=seen)


def test_the_reset_is_where_nothing_was_served_for_the_longest_at_the_time_of_the_fault() -> None:
    served = evidence().served
    off = sample(LOST).time + NANOSECONDS // 2
    assert last_before_pause(served, reset(off, off + BOOT_SECONDS * NANOSECONDS), 7) == LOST
    assert last_before_pause(served, reset(off, None), 7) == LOST
    assert last_before_pause((), reset(off, None), 7) == 7


def test_a_later_stall_of_the_host_is_no_reset() -> None:
    stalled = tuple(
        replace(scrape, time=scrape.time + (2 * BOOT_SECONDS * NANOSECONDS))
        if scrape.number > LOST + 5
        else scrape
        for scrape in evidence().served
    )
    off = sample(LOST).time + NANOSECONDS // 2
    assert last_before_pause(stalled, reset(off, off + 5 * NANOSECONDS), 7) == LOST


# -- what is drawn while a node is away -----------------------------------------------------------


def line(drawn: float, *, asked: float = 60.0) -> Line:
    """The newest sample at 1000 s, points every 2 s until `drawn` seconds later."""
    points = tuple(float(at) for at in range(900, round(1000 + drawn) + 1, 2))
    return Line(
        node="edge-arm",
        sender="vmagent",
        runtime="kubernetes+kubelet",
        newest=1000.0,
        asked=1000.0 + asked,
        points=points,
        points_before=sum(point <= 1000 for point in points),
        instant=0,
        absent=True,
    )


def test_a_line_that_ends_passes() -> None:
    verdict = judge_line(line(30), lookback=30, step=2)
    assert verdict.passed, str(verdict)
    assert value(verdict, "straight_line_while_offline_vmagent") == 30
    assert judge_line(line(0), lookback=30, step=2).passed


@pytest.mark.parametrize(
    "planted",
    [
        line(60),  # drawn to the end, as with Prometheus' own 5 min
        replace(line(30), instant=1),
        replace(line(30), absent=False),
        line(20, asked=25),  # asked too soon
        replace(line(30), points=(), points_before=0),
    ],
    ids=["straight", "instant", "not absent", "too soon", "no points"],
)
def test_each_planted_line_turns_it_red(planted: Line) -> None:
    assert not judge_line(planted, lookback=30, step=2).passed


# -- what senders say of themselves ----------------------------------------------------------------


def test_a_counter_is_the_sum_of_its_series() -> None:
    page = '# TYPE sent counter\nsent{url="a"} 5\nsent{url="b"} 1.5e2\nsent_more 7\n'
    assert counted(page, "sent") == 155.0
    assert counted(page, "sent_more") == 7.0
    assert counted(page, "nothing") is None
    assert counted("", "sent") is None
