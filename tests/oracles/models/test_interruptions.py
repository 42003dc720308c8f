"""Updates without an uplink, power or space: evidence that passes, and planted defects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.models.records import Act
from edge_lab.oracles.models.evidence import (
    CutUpdate,
    Evidence,
    FullDisk,
    KilledAgent,
    MissedUpdate,
    StagedReset,
)
from edge_lab.oracles.models.updates import (
    judge_cut_update,
    judge_full_disk,
    judge_killed_agent,
    judge_missed_update,
    judge_staged_reset,
)
from tests.oracles.models.scenes import (
    BEGAN,
    DIGESTS,
    NEW,
    OLD,
    changed,
    evidence,
    red,
    without,
)

# -- an update that is cut -------------------------------------------------------------------------

CUT, HEALED, PROMOTED = BEGAN + 20, BEGAN + 45, BEGAN + 60
UPDATED = CutUpdate(
    evidence(
        lambda second: NEW if second >= 61 else OLD,
        Act(PROMOTED + 1, "promoted", NEW, DIGESTS[NEW], NEW),
    ),
    OLD,
    NEW,
    size=1000,
    at_cut=400,
    at_heal=420,
    cut=(CUT, HEALED),
    serving=NEW,
)


def test_the_old_version_until_the_new_one_is_whole_passes() -> None:
    verdict = judge_cut_update(UPDATED)
    assert verdict.passed, str(verdict)
    found = {measure.title: measure.value for measure in verdict.measures}
    assert found["between the last old and the first new answer"] == pytest.approx(1.0)
    assert found["new version serves"] == pytest.approx(16.1)


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (replace(UPDATED, at_cut=0), "no evidence"),
        (replace(UPDATED, at_cut=1000), "no evidence"),
        (replace(UPDATED, cut=(HEALED - 5, HEALED)), "no evidence"),
        (replace(UPDATED, serving=OLD), "serves in the end"),
        (
            replace(UPDATED, evidence=evidence(lambda second: NEW if second > 30 else OLD)),
            "before it can be complete",
        ),
        (
            replace(
                UPDATED,
                evidence=evidence(lambda second: NEW if second > 61 and second % 2 else OLD),
            ),
            "after 10 had begun",
        ),
        (
            replace(UPDATED, evidence=changed(UPDATED.evidence, 30, ok=False, message="503")),
            "got no answer",
        ),
        (replace(UPDATED, evidence=without(UPDATED.evidence, *range(20, 46))), "not asked during"),
    ],
)
def test_defects_of_an_update_are_red(update: CutUpdate, words: str) -> None:
    red(judge_cut_update(update), words)


# -- a loss of power -------------------------------------------------------------------------------

OFF, UP = BEGAN + 25, BEGAN + 35
CUT_AND_RESET = replace(
    UPDATED,
    evidence=replace(without(UPDATED.evidence, *range(25, 36)), reboots=((OFF, UP),)),
)
STAGED = StagedReset(
    replace(
        evidence(
            lambda second: NEW if second >= 61 else OLD,
            Act(BEGAN + 20, "staged", NEW),
            Act(PROMOTED + 1, "promoted", NEW),
        ),
        reboots=((OFF, UP),),
    ),
    OLD,
    NEW,
    first=OLD,
    serving=NEW,
)


def test_losses_of_power_pass() -> None:
    for verdict in (judge_cut_update(CUT_AND_RESET), judge_staged_reset(STAGED)):
        assert verdict.passed, str(verdict)
    found = {measure.title: measure.value for measure in verdict.measures}
    assert found["promoted after a loss of power"] == pytest.approx(26)


def test_a_loss_of_power_after_the_heal_is_no_evidence() -> None:
    late = replace(CUT_AND_RESET.evidence, reboots=((OFF, UP), (HEALED + 1, HEALED + 2)))
    red(judge_cut_update(replace(CUT_AND_RESET, evidence=late)), "not offline when it lost")


@pytest.mark.parametrize(
    ("staged", "words"),
    [
        (replace(STAGED, first=NEW), "after the boot"),
        (replace(STAGED, first=""), "nothing serves after the boot"),
        (replace(STAGED, serving=OLD), "serves in the end"),
        (replace(STAGED, evidence=replace(STAGED.evidence, reboots=())), "no evidence"),
        (replace(STAGED, evidence=replace(STAGED.evidence, acts=())), "no evidence"),
        (
            replace(
                STAGED,
                evidence=replace(
                    STAGED.evidence,
                    acts=(Act(BEGAN + 20, "staged", NEW), Act(BEGAN + 24, "promoted", NEW)),
                ),
            ),
            "promoted before the power was lost",
        ),
        (
            replace(
                STAGED,
                evidence=replace(
                    STAGED.evidence, acts=(*STAGED.evidence.acts, Act(UP + 1, "fetched", NEW))
                ),
            ),
            "was fetched again",
        ),
        (replace(STAGED, evidence=changed(STAGED.evidence, 50, output=1.0)), "are not those of"),
    ],
)
def test_defects_of_a_staged_version_are_red(staged: StagedReset, words: str) -> None:
    red(judge_staged_reset(staged), words)


# -- a killed agent --------------------------------------------------------------------------------

KILLED = KilledAgent(
    evidence(
        lambda second: NEW if second >= 61 else OLD,
        Act(BEGAN + 22, "online"),
        Act(BEGAN + 30, "staged", NEW),
        Act(BEGAN + 33, "online"),
        Act(PROMOTED, "compared", NEW),
        Act(PROMOTED + 1, "promoted", NEW),
    ),
    OLD,
    NEW,
    size=1000,
    at_kill=400,
    kept=410,
    kills=((BEGAN + 20, BEGAN + 22), (BEGAN + 31, BEGAN + 33)),
    serving=NEW,
)


def acted_without(what: str) -> KilledAgent:
    acts = tuple(act for act in KILLED.evidence.acts if act.what != what)
    return replace(KILLED, evidence=replace(KILLED.evidence, acts=acts))


def served_from(second: float) -> Evidence:
    """The new version serves from there on."""
    found = evidence(lambda at: NEW if at >= second else OLD, *KILLED.evidence.acts)
    return replace(KILLED.evidence, requests=found.requests)


def also(*acts: Act) -> KilledAgent:
    return replace(KILLED, evidence=replace(KILLED.evidence, acts=(*KILLED.evidence.acts, *acts)))


def test_an_agent_that_goes_on_where_it_was_passes() -> None:
    verdict = judge_killed_agent(KILLED)
    assert verdict.passed, str(verdict)
    found = {measure.title: measure.value for measure in verdict.measures}
    assert found["promoted after a kill of the agent"] == pytest.approx(30)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(KILLED, at_kill=0), "no evidence"),
        (replace(KILLED, at_kill=1000, kept=1000), "no evidence"),
        (replace(KILLED, kept=0), "400 bytes of the fetch are gone"),
        (replace(KILLED, kills=((BEGAN + 20, BEGAN + 29.5), KILLED.kills[1])), "first kill only"),
        (replace(KILLED, kills=(KILLED.kills[0], (PROMOTED + 5,) * 2)), "before the second kill"),
        (also(Act(BEGAN + 34, "online"), Act(BEGAN + 35, "online")), "started again 4 times"),
        (acted_without("compared"), "not compared after the second kill"),
        (
            replace(KILLED, evidence=served_from(30)),
            "answered before 10 was promoted",
        ),
        (
            replace(KILLED, evidence=served_from(200)),
            "answered long after 10 was promoted",
        ),
        (replace(KILLED, serving=OLD), "serves in the end"),
        (also(Act(BEGAN + 33, "fetching", NEW)), "was fetched again"),
        (
            replace(KILLED, evidence=changed(KILLED.evidence, 22, ok=False, message="refused")),
            "got no answer",
        ),
    ],
)
def test_defects_of_a_killed_agent_are_red(found: KilledAgent, words: str) -> None:
    red(judge_killed_agent(found), words)


# -- a full disk -----------------------------------------------------------------------------------

WAITED = Act(CUT + 2, "interrupted", NEW, serving=OLD, reason="NoSpace", message="no space")
FULL = FullDisk(
    replace(UPDATED.evidence, acts=(WAITED, *UPDATED.evidence.acts)),
    OLD,
    NEW,
    size=1000,
    at_full=400,
    left=0,
    full=(CUT, HEALED),
    said="NoSpace",
    serving=NEW,
)


def acted_also(*acts: Act) -> FullDisk:
    return replace(FULL, evidence=replace(FULL.evidence, acts=(*acts, *FULL.evidence.acts)))


def test_an_update_that_waits_for_space_passes() -> None:
    for found in (FULL, acted_also(Act(CUT, "offline"), Act(CUT + 1, "online"))):
        verdict = judge_full_disk(found)
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(FULL, at_full=0), "no evidence"),
        (replace(FULL, at_full=1000), "no evidence"),
        (replace(FULL, full=(HEALED - 5, HEALED)), "the full disk lasted 5 s"),
        (replace(FULL, left=400), "400 bytes of 10 were left"),
        (replace(FULL, said=""), "the reason that the cloud says"),
        (replace(FULL, serving=OLD), "serves in the end"),
        (replace(FULL, evidence=UPDATED.evidence), "does not say that the disk is full"),
        (acted_also(Act(CUT, "online"), Act(CUT + 1, "online")), "started again 2 times"),
        (
            replace(FULL, evidence=without(FULL.evidence, *range(20, 46))),
            "was not asked during the full disk",
        ),
        (
            replace(FULL, evidence=changed(FULL.evidence, 30, ok=False, message="503")),
            "got no answer",
        ),
        (
            replace(FULL, evidence=evidence(lambda second: NEW if second > 30 else OLD, WAITED)),
            "before it can be complete",
        ),
    ],
)
def test_defects_of_a_full_disk_are_red(found: FullDisk, words: str) -> None:
    red(judge_full_disk(found), words)


# -- an update that is missed ----------------------------------------------------------------------

MISSED = MissedUpdate(
    UPDATED.evidence,
    OLD,
    "11",
    NEW,
    (CUT, HEALED),
    {UPDATED.evidence.node: NEW, "server": NEW},
    "Complete",
)


def test_a_node_that_gets_the_newest_version_after_the_heal_passes() -> None:
    verdict = judge_missed_update(MISSED)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("missed", "words"),
    [
        (replace(MISSED, phase="Progressing"), "the cloud says"),
        (replace(MISSED, serving={"edge": OLD, "server": NEW}), f"{OLD} serves in the end"),
        (replace(MISSED, serving={"edge": NEW, "server": "11"}), "11 serves on server"),
        (replace(MISSED, offline=(HEALED - 5, HEALED)), "the cut lasted 5 s"),
        (
            replace(
                MISSED,
                evidence=replace(MISSED.evidence, acts=(Act(HEALED + 1, "told", "11"),)),
            ),
            "was still asked for",
        ),
        (
            replace(MISSED, evidence=evidence(lambda second: "11" if second > 61 else OLD)),
            "must not serve",
        ),
        (
            replace(MISSED, evidence=evidence(lambda second: NEW if second > 30 else OLD)),
            "before it can be complete",
        ),
        (replace(MISSED, evidence=without(MISSED.evidence, *range(20, 46))), "not asked during"),
    ],
)
def test_defects_of_a_missed_update_are_red(missed: MissedUpdate, words: str) -> None:
    red(judge_missed_update(missed), words)
