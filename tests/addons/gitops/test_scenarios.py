"""Scenarios of suites/gitops on a simulated fleet: what is no evidence is not taken for it."""

from __future__ import annotations

import pytest

from edge_lab.addons.gitops.fleet import SURGING, Fault
from edge_lab.addons.gitops.identities import CONTROLLERS
from edge_lab.addons.gitops.names import KUSTOMIZE_CONTROLLER
from edge_lab.core.errors import LabError
from edge_lab.oracles.verdict import Verdict
from suites.gitops.flow import ROLLOUT_SECONDS
from suites.gitops.judging import judge_bad_commit, judge_drift, judge_rollout
from suites.gitops.labside import started_at
from suites.gitops.scenarios import bad_commit, drift
from suites.gitops.updates import KILLS, update
from tests.addons.gitops.simulated import SimulatedSide
from tests.addons.gitops.verdicts import START


def after_kill(side: SimulatedSide, controller: str) -> list[Verdict]:
    rollouts = update(side, killed=controller)
    return [judge_rollout(rollout, limit_s=ROLLOUT_SECONDS) for rollout in rollouts]


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_controller_killed_with_work_to_do_is_evidence_at_once(controller: str) -> None:
    side = SimulatedSide()
    (verdict,) = after_kill(side, controller)
    assert verdict.passed, str(verdict)
    assert side.commits == 2


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_controller_that_is_always_killed_too_late_is_no_evidence(controller: str) -> None:
    side = SimulatedSide(kill_seconds=15.0)
    *others, last = after_kill(side, controller)
    assert side.commits == 1 + KILLS
    assert [verdict.passed for verdict in others] == [True] * (KILLS - 1)
    assert last.shows_nothing, str(last)


def test_after_a_kill_that_came_too_late_there_is_another_commit() -> None:
    class Quicker(SimulatedSide):
        def kill(self, controller: str) -> float:
            started = super().kill(controller)
            self.kill_seconds = 1.0
            return started

    side = Quicker(kill_seconds=15.0)
    verdicts = after_kill(side, KUSTOMIZE_CONTROLLER)
    assert [verdict.passed for verdict in verdicts] == [True, True]
    assert side.commits == 3


def test_work_within_the_second_of_the_restart_is_not_taken_for_later_work() -> None:
    side = SimulatedSide(apply_seconds=9.2, kill_seconds=9.7)
    *_, last = after_kill(side, KUSTOMIZE_CONTROLLER)
    assert last.shows_nothing, str(last)


def test_drift_is_seen_although_it_is_corrected_before_the_first_look() -> None:
    verdict = judge_drift(drift(SimulatedSide(apply_seconds=0.5), "edge-arm"))
    assert verdict.passed, str(verdict)


def test_a_change_that_the_api_server_does_not_make_is_no_evidence_of_drift() -> None:
    verdict = judge_drift(drift(SimulatedSide(takes_patches=False), "edge-arm"))
    assert verdict.shows_nothing, str(verdict)


@pytest.mark.parametrize("applies", [True, False])
def test_a_missing_image_is_no_evidence_unless_it_is_applied(applies: bool) -> None:
    # Long after source-controller has fetched the commit, which is all that Flux would say of it.
    side = SimulatedSide(applies=applies, apply_seconds=90.0)
    (bad,), _ = bad_commit(side, Fault.NO_IMAGE, (SURGING,))
    verdict = judge_bad_commit(bad, said=False)
    assert verdict.passed == applies, str(verdict)
    assert verdict.passed or verdict.shows_nothing, str(verdict)


def test_the_start_of_a_unit_is_read_and_its_absence_is_an_error() -> None:
    assert started_at("Tue 2023-11-14 22:13:20.250000 UTC\n") == START + 0.25
    for said in ("", "n/a\n"):
        with pytest.raises(LabError, match="when a unit was started"):
            started_at(said)
