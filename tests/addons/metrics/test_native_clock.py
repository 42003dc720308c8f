"""All senders for real, on this machine: what each loses when its node's clock is set five minutes
back and corrected, or ahead and back.

By the lab's own configurations, and the outage and the judge of suites/metrics.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edge_lab.addons.metrics.counting import compare
from edge_lab.addons.metrics.records import NANOSECONDS, Origin, Served
from edge_lab.addons.metrics.senders import SENDERS
from suites.metrics import outages as suite_outages
from suites.metrics.evidence import Evidence
from suites.metrics.judging import judge_samples
from suites.metrics.outages import (
    BACK_SECONDS,
    JUMP_SECONDS,
    Outage,
    clock_jump,
    clock_set_back,
)
from suites.metrics.senders import LOSE_BY_CLOCK
from tests.addons.fetch import suites
from tests.addons.metrics.clocksite import BEGINS_SECONDS, UNADJUSTED, ClockSite
from tests.addons.metrics.site import NODE, running_site
from tests.addons.metrics.standin import SETTLED_SECONDS, metrics_of

pytestmark = pytest.mark.native(reason="Prometheus, vmagent and Thanos, and a clock of their own")


@dataclass(frozen=True)
class Jumped:
    site: ClockSite
    back: Outage
    between: int
    """The number of the last scrape by `UNADJUSTED` before the jump ahead."""
    outage: Outage


@pytest.fixture(scope="module", params=suites())
def jumped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jumped]:
    folder = tmp_path_factory.mktemp(request.param)
    assert BEGINS_SECONDS < -BACK_SECONDS
    with (
        pytest.MonkeyPatch.context() as patch,
        running_site(folder, request.param, ClockSite) as site,
    ):
        patch.setattr(suite_outages, "SETTLED_SECONDS", SETTLED_SECONDS)
        for sender in site.senders:
            site.until_served(sender, 1)
        site.set_clock(0)
        back = clock_set_back(*metrics_of(site))
        between = site.served(UNADJUSTED.name)[-1].number
        yield Jumped(site, back, between, clock_jump(*metrics_of(site)))


def first_after(served: tuple[Served, ...]) -> int:
    """The number of the first scrape after the clock was set back."""
    (number,) = [
        later.number for earlier, later in itertools.pairwise(served) if later.time < earlier.time
    ]
    return number


def last_before(served: tuple[Served, ...]) -> int:
    """The number of the last scrape before the clock was set ahead."""
    (number,) = [
        earlier.number
        for earlier, later in itertools.pairwise(served)
        if later.time - earlier.time > JUMP_SECONDS / 2 * NANOSECONDS
    ]
    return number


def missing(evidence: Evidence) -> set[int]:
    first, last = evidence.served[0].number, evidence.served[-1].number
    count = compare(evidence.served, evidence.stored, after=first - 1, until=last)
    return {scrape.number for scrape in count.missing}


@pytest.mark.parametrize("sender", SENDERS)
def test_what_a_clock_that_is_set_back_costs_is_what_is_declared(
    jumped: Jumped, sender: str
) -> None:
    evidence = jumped.back.evidence[Origin(NODE, sender)]
    served = evidence.served
    are_lost(evidence, first_after(served), until=last_before(served))


@pytest.mark.parametrize("sender", SENDERS)
def test_what_a_clock_jump_costs_is_what_is_declared(jumped: Jumped, sender: str) -> None:
    evidence = jumped.outage.evidence[Origin(NODE, sender)]
    are_lost(evidence, first_after(evidence.served), until=evidence.served[-1].number)


def are_lost(evidence: Evidence, back: int, *, until: int) -> None:
    """A sender that is declared to lose samples by the clock has lost those from `back` to `until`,
    and no other; the others have lost none."""
    verdict = judge_samples(evidence)
    print(verdict)
    assert verdict.passed == (evidence.sender not in LOSE_BY_CLOCK), str(verdict)
    if evidence.sender in LOSE_BY_CLOCK:
        # The first one may have a timestamp of its own, by chance. Nothing is lost before it.
        expected = {
            scrape.number
            for scrape in evidence.served
            if back < scrape.number <= until and not scrape.doubtful
        }
        assert expected
        assert missing(evidence) - {back} == expected, str(verdict)


def test_without_adjusted_timestamps_it_costs_nothing(jumped: Jumped) -> None:
    """A control: what is lost is lost by the adjustment."""
    served = jumped.site.served(UNADJUSTED.name)
    jumped.site.until_served(UNADJUSTED.name, 5)
    stored, least = jumped.site.stored(UNADJUSTED.name), suite_outages.SHORT
    for first, last in ((1, jumped.between), (jumped.between + 1, served[-1].number)):
        run = tuple(scrape for scrape in served if first <= scrape.number <= last)
        count = compare(run, stored, after=first_after(run), until=last)
        assert not count.gaps, count
        assert count.served >= least
