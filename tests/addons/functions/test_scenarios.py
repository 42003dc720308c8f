"""Scenarios of suites/functions on a simulated node: what comes late is seen, too."""

from __future__ import annotations

from typing import cast

import pytest

from edge_lab.addons.functions.limits import LIMITS
from edge_lab.core.errors import LabError
from edge_lab.oracles.verdict import Verdict
from suites.functions.judging import judge_copies, judge_source
from suites.functions.powerloss import reset_while_offline
from suites.functions.scenarios import online
from suites.functions.side import Side
from tests.addons.functions.simulated import BOOT_SECONDS, NODE, SimulatedSide

(LIMIT,) = LIMITS


def after_reset(side: SimulatedSide) -> Verdict:
    return judge_source(reset_while_offline(cast(Side, side)).evidence[NODE], LIMIT)


def test_crossings_before_the_first_read_after_a_boot_are_excused() -> None:
    verdict = after_reset(SimulatedSide())
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("misses", [1, 2])
def test_a_source_that_misses_its_first_crossings_after_a_boot_is_red(misses: int) -> None:
    (problem,) = after_reset(SimulatedSide(misses=misses)).problems
    assert problem.startswith(f"{misses} crossings do not have exactly one event"), problem


def test_without_a_first_read_after_the_boot_nothing_is_excused() -> None:
    with pytest.raises(LabError, match="does not say when it read"):
        after_reset(SimulatedSide(notes=False))


def test_only_the_time_until_the_first_read_is_excused() -> None:
    ((begin, end),) = reset_while_offline(cast(Side, SimulatedSide())).evidence[NODE].blind
    assert (end - begin) / 1e9 == BOOT_SECONDS


def copied(side: SimulatedSide) -> Verdict:
    return judge_copies(online(cast(Side, side), 1).evidence[NODE])


def test_an_event_that_is_in_the_cloud_once_passes() -> None:
    verdict = copied(SimulatedSide())
    assert verdict.passed, str(verdict)


def test_an_event_that_is_copied_again_when_all_have_been_there_is_red() -> None:
    # The last of three events crosses after 50 s, and all copies are there at once.
    (problem,) = copied(SimulatedSide(again_seconds=55)).problems
    assert "in the cloud more than once" in problem
