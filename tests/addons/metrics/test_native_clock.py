"""All senders for real, on this machine: what each loses when its node's clock is set five minutes
ahead and back.

By the lab's own configurations, and the outage and the judge of suites/metrics.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edge_lab.addons.metrics.counting import compare
from edge_lab.addons.metrics.records import Origin, Served
from edge_lab.addons.metrics.senders import SENDERS
from suites.metrics import outages as suite_outages
from suites.metrics.evidence import Evidence
from suites.metrics.judging import judge_samples
from suites.metrics.outages import Outage, clock_jump
from suites.metrics.senders import LOSE_BY_CLOCK
from tests.addons.fetch import suites
from tests.addons.metrics.clocksite import UNADJUSTED, ClockSite
from tests.addons.metrics.site import NODE, running_site
from tests.addons.metrics.standin import SETTLED_SECONDS, metrics_of

pytestmark = pytest.mark.native(reason="Prometheus, vmagent and Thanos, and a clock of their own")


@dataclass(frozen=True)
class Jumped:
    site: ClockSite
    outage: Outage


@pytest.fixture(scope="module", params=suites())
def jumped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jumped]:
    folder = tmp_path_factory.mktemp(request.param)
    with (
        pytest.MonkeyPatch.context() as patch,
        running_site(folder, request.param, ClockSite) as site,
    ):
        patch.setattr(suite_outages, "SETTLED_SECONDS", SETTLED_SECONDS)
        yield Jumped(site, clock_jump(*metrics_of(site)))


def first_after(served: tuple[Served, ...]) -> int:
    """The number of the first scrape after the clock was set back."""
    (number,) = [
        later.number for earlier, later in itertools.pairwise(served) if later.time < earlier.time
    ]
    return number


def missing(evidence: Evidence) -> set[int]:
    first, last = evidence.served[0].number, evidence.served[-1].number
    count = compare(evidence.served, evidence.stored, after=first - 1, until=last)
    return {scrape.number for scrape in count.missing}


@pytest.mark.parametrize("sender", SENDERS)
def test_what_a_clock_jump_costs_is_what_is_declared(jumped: Jumped, sender: str) -> None:
    evidence = jumped.outage.evidence[Origin(NODE, sender)]
    verdict = judge_samples(evidence)
    assert verdict.passed == (sender not in LOSE_BY_CLOCK), str(verdict)
    if sender in LOSE_BY_CLOCK:
        back = first_after(evidence.served)
        # The first one may have a timestamp of its own, by chance. Nothing is lost before it.
        expected = {
            scrape.number
            for scrape in evidence.served
            if scrape.number > back and not scrape.doubtful
        }
        assert missing(evidence) - {back} == expected, str(verdict)


def test_without_adjusted_timestamps_it_costs_nothing(jumped: Jumped) -> None:
    """A control: what is lost is lost by the adjustment."""
    served = jumped.site.served(UNADJUSTED.name)
    after = first_after(served)
    jumped.site.until_served(UNADJUSTED.name, 5)
    until = served[-1].number
    count = compare(served, jumped.site.stored(UNADJUSTED.name), after=after, until=until)
    assert not count.gaps, count
    assert count.served >= suite_outages.SHORT
