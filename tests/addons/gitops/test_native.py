"""Flux' controllers and git for real, on this machine, with the suite's scenarios and judges: a
control plane, the Git server, and three hollow nodes."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.gitops import flux
from edge_lab.addons.gitops.fleet import SURGING, Fault, Revision
from edge_lab.addons.gitops.identities import CONTROLLERS, GIT_DOMAIN, READER
from edge_lab.addons.gitops.names import GIT_SERVER
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.topology import Timing, Topology
from suites.gitops import interrupted, scenarios, updates
from suites.gitops.flow import ROLLOUT_SECONDS
from suites.gitops.interrupted import judge_interrupted
from suites.gitops.judging import (
    judge_bad_commit,
    judge_drift,
    judge_offline,
    judge_pods,
    judge_rollout,
    judge_secrets,
    judge_surge,
)
from suites.gitops.secrets import as_strings, texts_of
from tests.addons.gitops.hollow import hollow_nodes
from tests.addons.gitops.site import Site, flux_programs, running_site
from tests.addons.gitops.standin import NativeSide
from tests.controlplane import control_plane, require

pytestmark = pytest.mark.native(
    reason="a control plane, Flux and git, and outages of a minute each"
)

TIMING = Timing(node_lease=8, node_monitor_period=1, node_monitor_grace=8, unreachable_toleration=5)
NODES = ("hollow-1", "hollow-2", "hollow-3")
PERIODS = {"LOOK_SECONDS": 3, "APPLY_SECONDS": 8, "RETRY_SECONDS": 4, "MOST_RETRY_SECONDS": 6}
"""Of Flux: shorter than on an emulated server."""
WATCHED = {"STRICT_SECONDS": 20, "PILE_SECONDS": 48, "KEPT_SECONDS": 15, "SETTLED_SECONDS": 15}
"""How long scenarios look at what must not happen."""
LIMIT_SECONDS = ROLLOUT_SECONDS


@pytest.fixture(scope="module")
def side(default_topology: Topology) -> Iterator[NativeSide]:
    require()
    flux_programs()
    with tempfile.TemporaryDirectory(prefix="el") as made, pytest.MonkeyPatch.context() as patch:
        folder = Path(made)
        for name, seconds in PERIODS.items():
            patch.setattr(flux, name, seconds)
        for name, seconds in WATCHED.items():
            patch.setattr(scenarios, name, float(seconds))
        patch.setattr(interrupted, "CUT_SECONDS", 30.0)
        with (
            control_plane(folder / "plane", default_topology, TIMING) as plane,
            running_site(folder / "site", plane) as site,
            hollow_nodes(plane, folder / "nodes", NODES) as hollow,
        ):
            yield NativeSide(site, hollow)


@pytest.fixture(scope="module")
def site(side: NativeSide) -> Site:
    return side.site


def test_a_commit_reaches_each_node(side: NativeSide) -> None:
    for rollout in updates.update(side):
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert verdict.passed, str(verdict)
        assert rollout.fetched is not None
        assert rollout.applied is not None


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_controller_that_is_killed_half_way_ends_in_the_same(
    side: NativeSide, controller: str
) -> None:
    for rollout in updates.update(side, killed=controller):
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert verdict.passed, str(verdict)


def test_a_node_that_was_away_goes_to_the_newest_and_holds_up_the_default_strategy(
    side: NativeSide,
) -> None:
    found = scenarios.away(side, NODES[2], faults=(Fault.NONE,) * 2, strategies=True)
    offline = judge_offline(found.offline)
    # The time that it takes is the hollow node's, not a boot's: it may be short.
    assert [
        problem
        for problem in offline.problems
        if not problem.startswith("no evidence: the node was offline")
    ] == []
    for rollout in found.online:
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert verdict.passed, str(verdict)
    for rollout in found.strict:
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert not verdict.passed, str(verdict)
    for rollout in (found.back, *found.strategies.values()):
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert verdict.passed, str(verdict)
    surge = judge_surge(found.strategies[SURGING.name], SURGING.name)
    assert [problem for problem in surge.problems if problem.startswith("no evidence")] == []
    assert not surge.passed, str(surge)


def test_a_node_that_was_away_sees_no_bad_commit(side: NativeSide) -> None:
    faults = (Fault.UNREADABLE, Fault.NO_IMAGE, Fault.NONE)
    found = scenarios.away(side, NODES[1], faults=faults)
    verdict = judge_rollout(found.back, limit_s=LIMIT_SECONDS)
    assert verdict.passed, str(verdict)


def test_a_hundred_commits_are_one_step(side: NativeSide) -> None:
    found = scenarios.away(side, NODES[2], faults=(Fault.NONE,) * 10, commits=10)
    verdict = judge_rollout(found.back, limit_s=LIMIT_SECONDS)
    assert verdict.passed, str(verdict)
    assert found.back.commits == 100


def test_a_node_that_was_reset_while_offline_goes_to_the_newest(side: NativeSide) -> None:
    found = scenarios.away(side, NODES[1], reset=True)
    offline = judge_offline(found.offline)
    assert [
        problem
        for problem in offline.problems
        if not problem.startswith("no evidence: the node was offline")
    ] == []
    verdict = judge_rollout(found.back, limit_s=LIMIT_SECONDS)
    assert verdict.passed, str(verdict)


def test_a_cut_during_an_update_leaves_what_surges(side: NativeSide) -> None:
    found, back = interrupted.cut_during_update(side, NODES[0])
    for verdict in (judge_interrupted(found), judge_rollout(back, limit_s=LIMIT_SECONDS)):
        assert verdict.passed, str(verdict)


def test_pods_of_a_bound_deployment_pile_up(side: NativeSide) -> None:
    verdict = judge_pods(scenarios.piled_up(side, NODES[1]), most=2)
    assert not verdict.passed, str(verdict)


def test_drift_is_over_before_a_node_is_back(side: NativeSide) -> None:
    verdict = judge_drift(scenarios.drift(side, NODES[1], offline=True))
    assert verdict.passed, str(verdict)


def test_drift_is_put_right_once(side: NativeSide) -> None:
    verdict = judge_drift(scenarios.drift(side, NODES[0]))
    assert verdict.passed, str(verdict)


def test_drift_is_put_right_while_the_git_server_is_silent(side: NativeSide) -> None:
    drift, rollouts = scenarios.drift_without_git(side, NODES[0])
    verdict = judge_drift(drift)
    assert verdict.passed, str(verdict)
    for rollout in rollouts:
        assert judge_rollout(rollout, limit_s=LIMIT_SECONDS).passed


@pytest.mark.parametrize("fault", [Fault.UNREADABLE, Fault.REFUSED])
def test_a_bad_commit_leaves_the_last_good_one(side: NativeSide, fault: Fault) -> None:
    bad, fixed = scenarios.bad_commit(side, fault)
    for evidence in bad:
        verdict = judge_bad_commit(evidence)
        assert verdict.passed, str(verdict)
    for rollout in fixed:
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert verdict.passed, str(verdict)


def test_an_image_that_is_nowhere_stops_a_part_that_is_updated_in_place(side: NativeSide) -> None:
    bad, _ = scenarios.bad_commit(side, Fault.NO_IMAGE)
    for evidence in bad:
        verdict = judge_bad_commit(evidence, said=False)
        assert not verdict.passed, str(verdict)
        # It does not wait for what it applies: a node that is offline would hold it up.
        assert not evidence.said


def test_an_image_that_is_nowhere_leaves_a_part_that_surges(side: NativeSide) -> None:
    bad, fixed = scenarios.bad_commit(side, Fault.NO_IMAGE, (SURGING,))
    for evidence in bad:
        verdict = judge_bad_commit(evidence, said=False)
        assert verdict.passed, str(verdict)
    for rollout in fixed:
        verdict = judge_rollout(rollout, limit_s=LIMIT_SECONDS)
        assert verdict.passed, str(verdict)


# -- who is let in, and what is told ---------------------------------------------------------------


def test_the_reader_cannot_push_and_nobody_reads_without_a_certificate(site: Site) -> None:
    revision = Revision("forged", NODES)
    with pytest.raises(LabError, match="403"):
        site.reader.push([revision], Deadline.scaled(60))
    words = ["git", "-c", f"http.sslCAInfo={site.place.authority}", "ls-remote", site.place.url]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode != 0


def test_no_key_is_in_the_repository_or_in_a_log(site: Site, side: NativeSide) -> None:
    git = f"git --git-dir={site.place.repository}"
    logs = {name: site.log(name).read_text() for name in (GIT_SERVER, *CONTROLLERS)}

    def shell(command: str) -> str:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        return done.stdout

    key = site.pki.identity(GIT_DOMAIN, READER).key_pem
    texts = texts_of("native", "loopback", git, shell, logs, {"reader": key})
    verdict = judge_secrets(texts)
    assert verdict.passed, str(verdict)
    # The very key in a commit is found.
    planted = {**texts.texts, "repository": texts.texts["repository"] + key.decode()}
    encoded = {**texts.texts, "log": base64.b64encode(key).decode()}
    for found in (planted, encoded):
        verdict = judge_secrets(texts.__class__("native", "loopback", found, texts.secrets))
        assert len(verdict.problems) == 1
    assert as_strings(key)
