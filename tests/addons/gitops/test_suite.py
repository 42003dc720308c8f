"""The judges of suites/gitops: what passes, and each planted defect, which turns a verdict red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_lab.addons.gitops.fleet import (
    AGENT,
    NO_SUCH_IMAGE,
    STRICT,
    SURGING,
    Fault,
    Revision,
    daemon_set,
    revision_of,
)
from edge_lab.core.yamltext import yaml_document
from suites.gitops.evidence import Drift, Offline, Pods, Rollout, Texts
from suites.gitops.flow import Flow
from suites.gitops.judging import (
    judge_drift,
    judge_offline,
    judge_pods,
    judge_rollout,
    judge_secrets,
)
from suites.gitops.secrets import as_strings
from tests.addons.gitops.verdicts import NODE, PARTS, RUNTIME, START, red, run, value

LIMIT = 60.0


# -- a revision on its way -------------------------------------------------------------------------


def rollout() -> Rollout:
    runs = [
        each_run for part in PARTS for each_run in (run(part, "r1", -100, 18), run(part, "r2", 20))
    ]
    return Rollout(
        node=NODE,
        runtime=RUNTIME,
        parts=PARTS,
        previous="r1",
        revision="r2",
        pushed=START,
        fetched=START + 8,
        applied=START + 12,
        observed_at=START + 50,
        runs=tuple(runs),
    )


def test_a_revision_that_came_once_passes_with_its_stages() -> None:
    verdict = judge_rollout(rollout(), limit_s=LIMIT)
    assert verdict.passed, str(verdict)
    stages = [value(verdict, f"revision_{name}") for name in ("fetched", "applied", "running")]
    assert stages == [8, 12, 20]


def test_after_a_heal_it_is_counted_from_there() -> None:
    late = replace(rollout(), expected=START + 15, received=9000, commits=100)
    verdict = judge_rollout(late, limit_s=LIMIT)
    assert verdict.passed, str(verdict)
    assert value(verdict, "newest_revision_runs_after_a_heal") == 5
    assert value(verdict, "uplink_bytes_for_the_update_after_a_heal") == 9000


ROLLOUTS: dict[str, Callable[[Rollout], Rollout]] = {
    "one part did not come": lambda evidence: replace(evidence, runs=evidence.runs[:3]),
    "the old one is still there": lambda evidence: replace(
        evidence, runs=(replace(evidence.runs[0], ended=None), *evidence.runs[1:])
    ),
    "it ended": lambda evidence: replace(
        evidence, runs=(*evidence.runs[:3], replace(evidence.runs[3], ended=START + 30))
    ),
    "started twice": lambda evidence: replace(
        evidence,
        runs=(
            *evidence.runs[:3],
            replace(evidence.runs[3], ended=START + 25),
            run("helper", "r2", 26),
        ),
    ),
    "too late": lambda evidence: replace(
        evidence,
        runs=(*evidence.runs[:3], replace(evidence.runs[3], began=START + 61)),
        observed_at=START + 70,
    ),
    "a revision in between": lambda evidence: replace(
        evidence, runs=(*evidence.runs, run("agent", "r1a", 10, 11)), never=("r1a",)
    ),
    "another revision": lambda evidence: replace(
        evidence, runs=(*evidence.runs, run("agent", "r9", 30))
    ),
}


@pytest.mark.parametrize("defect", ROLLOUTS)
def test_each_planted_rollout_turns_it_red(defect: str) -> None:
    red(judge_rollout(ROLLOUTS[defect](rollout()), limit_s=LIMIT))


def test_a_node_without_the_revision_before_is_no_evidence() -> None:
    harmed = replace(rollout(), previous="r0")
    assert all(
        problem.startswith("no evidence")
        for problem in judge_rollout(harmed, limit_s=LIMIT).problems
    )
    assert not judge_rollout(replace(rollout(), runs=()), limit_s=LIMIT).passed


def test_a_revision_that_flux_never_fetched_has_no_figures() -> None:
    verdict = judge_rollout(replace(rollout(), fetched=None), limit_s=LIMIT)
    assert value(verdict, "revision_fetched") is None


def test_a_controller_that_was_killed_while_it_had_work_passes() -> None:
    killed = replace(rollout(), restarted=START + 2, work_done=START + 8)
    assert judge_rollout(killed, limit_s=LIMIT).passed


def test_a_controller_that_had_done_its_work_is_no_evidence() -> None:
    killed = replace(rollout(), restarted=START + 2, work_done=START + 1)
    assert judge_rollout(killed, limit_s=LIMIT).shows_nothing


def test_a_controller_that_never_did_its_work_after_a_kill_is_red() -> None:
    verdict = judge_rollout(replace(rollout(), restarted=START + 2), limit_s=LIMIT)
    red(verdict)
    assert not verdict.shows_nothing


# -- out of reach ----------------------------------------------------------------------------------


def offline() -> Offline:
    runs = tuple(run(part, "r1", -100) for part in PARTS)
    return Offline(NODE, RUNTIME, PARTS, "r1", START, START + 60, runs, changes=2)


def test_a_node_that_runs_on_passes() -> None:
    verdict = judge_offline(offline())
    assert verdict.passed, str(verdict)
    assert value(verdict, "starts_while_offline") == 0


def test_a_process_that_was_killed_there_is_started_once() -> None:
    killed = (replace(offline().runs[0], ended=START + 20), run("agent", "r1", 22))
    runs = (*killed, offline().runs[1])
    assert judge_offline(replace(offline(), runs=runs, restarts=1)).passed
    looping = (
        killed[0],
        replace(killed[1], ended=START + 30),
        run("agent", "r1", 31),
        offline().runs[1],
    )
    red(judge_offline(replace(offline(), runs=looping, restarts=1)))


OFFLINES: dict[str, Callable[[Offline], Offline]] = {
    "too short": lambda evidence: replace(evidence, ended=START + 20),
    "nothing pushed": lambda evidence: replace(evidence, changes=0),
    "did not run at first": lambda evidence: replace(
        evidence, runs=(run("agent", "r1", -100), run("helper", "r1", 5)), restarts=1
    ),
    "ended": lambda evidence: replace(
        evidence, runs=(replace(evidence.runs[0], ended=START + 30), evidence.runs[1])
    ),
    "restarted": lambda evidence: replace(
        evidence,
        runs=(
            replace(evidence.runs[0], ended=START + 30),
            run("agent", "r1", 31),
            evidence.runs[1],
        ),
    ),
    "not restarted after a kill": lambda evidence: replace(evidence, restarts=1),
}


@pytest.mark.parametrize("defect", OFFLINES)
def test_each_planted_outage_turns_it_red(defect: str) -> None:
    red(judge_offline(OFFLINES[defect](offline())))


def test_a_revision_that_came_over_a_cut_link_turns_it_red() -> None:
    runs = (replace(offline().runs[0], ended=START + 30), run("agent", "r2", 31), offline().runs[1])
    red(judge_offline(replace(offline(), runs=runs)), 3)


# -- drift -----------------------------------------------------------------------------------------


def drift() -> Drift:
    runs = (run("agent", "r1", -100, 3), run("agent", "odd", 4, 21), run("agent", "r1", 22))
    return Drift(
        what="by hand",
        runtime=RUNTIME,
        node=NODE,
        revision="r1",
        other="odd",
        made=START,
        seen={"odd": START + 0.1, "r1": START + 20},
        generations=2,
        limit_s=60,
        last="r1",
        runs=runs,
        ended=START + 60,
        part="agent",
    )


def test_drift_that_is_put_right_once_passes() -> None:
    verdict = judge_drift(drift())
    assert verdict.passed, str(verdict)
    assert value(verdict, "drift_reverted_by_hand") == 20


def test_a_node_that_was_out_of_reach_has_not_run_it() -> None:
    calm = replace(drift(), runs=(run("agent", "r1", -100),), offline=True)
    assert judge_drift(calm).passed
    # Its pod was deleted by the change, and ends when it is back.
    again = (run("agent", "r1", -100, 40), run("agent", "r1", 41))
    assert judge_drift(replace(calm, runs=again)).passed
    loop = (again[0], run("agent", "r1", 41, 45), run("agent", "r1", 46))
    red(judge_drift(replace(calm, runs=loop)))
    red(judge_drift(replace(calm, runs=(again[0], run("agent", "odd", 41, 45), again[1]))), 2)


DRIFTS: dict[str, Callable[[Drift], Drift]] = {
    "never made": lambda evidence: replace(evidence, seen={"r1": START + 20}),
    "too late": lambda evidence: replace(evidence, seen={**evidence.seen, "r1": START + 90}),
    "stays": lambda evidence: replace(evidence, seen={"odd": START}, last="odd"),
    "comes back": lambda evidence: replace(evidence, generations=4),
    "not on the node": lambda evidence: replace(evidence, runs=evidence.runs[:2], ended=START + 30),
    "crash loop": lambda evidence: replace(
        evidence,
        runs=(
            *evidence.runs[:2],
            run("agent", "r1", 22, 25),
            run("agent", "r1", 26),
        ),
    ),
}


def test_a_change_that_was_not_made_is_no_evidence() -> None:
    calm = replace(drift(), seen={"r1": START}, generations=0, runs=(run("agent", "r1", -100),))
    (problem,) = judge_drift(calm).problems
    assert problem.startswith("no evidence"), problem


@pytest.mark.parametrize("defect", DRIFTS)
def test_each_planted_drift_turns_it_red(defect: str) -> None:
    red(judge_drift(DRIFTS[defect](drift())))


# -- pods and secrets ------------------------------------------------------------------------------


def test_pods_that_pile_up_turn_it_red() -> None:
    few = Pods("bound", NODE, RUNTIME, 120, (1, 2, 2, 2), 1)
    assert judge_pods(few, most=2).passed
    red(judge_pods(replace(few, counts=(1, 2, 3, 4)), most=2))
    red(judge_pods(replace(few, after=3), most=2))
    red(judge_pods(replace(few, away_s=10), most=2))
    assert not judge_pods(replace(few, counts=()), most=2).passed


KEY = b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIB\n-----END -----\n"


def test_a_key_in_a_text_turns_it_red() -> None:
    texts = Texts(RUNTIME, NODE, {"log": "said nothing"}, {"reader": as_strings(KEY)})
    assert judge_secrets(texts).passed
    red(judge_secrets(replace(texts, texts={"log": f"said {KEY.decode()}"})))
    red(judge_secrets(replace(texts, texts={"log": ""})))
    red(judge_secrets(replace(texts, secrets={})))
    red(judge_secrets(replace(texts, secrets={"reader": ()})))


# -- what is pushed --------------------------------------------------------------------------------


def test_a_revision_is_in_each_of_its_objects() -> None:
    files = Revision("r7", ("edge-arm",), (AGENT, STRICT, SURGING)).files()
    objects = {name: yaml_document(text) for name, text in files.items()}
    assert objects.pop("fleet/settings.yaml")["data"] == {"revision": "r7"}
    assert {revision_of(each["spec"]["template"]) for each in objects.values()} == {"r7"}
    strategies = {
        each["metadata"]["name"]: each["spec"]["updateStrategy"].get("rollingUpdate")
        for each in objects.values()
    }
    assert strategies == {
        "agent": {"maxUnavailable": 100},
        "strict": None,
        "surging": {"maxUnavailable": 0, "maxSurge": "100%"},
    }


def test_each_fault_is_one() -> None:
    whole = Revision("r7", ("edge-arm",)).files()
    for fault in set(Fault) - {Fault.NONE}:
        broken = Revision("r7", ("edge-arm",), fault=fault).files()
        assert broken.keys() == whole.keys()
        assert broken != whole
    text = Revision("r7", ("edge-arm",), fault=Fault.NO_IMAGE).files()["fleet/agent.yaml"]
    assert NO_SUCH_IMAGE in text


def test_a_part_without_a_revision_has_none() -> None:
    found = daemon_set(AGENT, "r1", ("edge-arm",))["spec"]["template"]
    found["spec"]["containers"][0]["command"] = ["/edge", "pause"]
    assert revision_of(found) == ""


def test_what_is_applied_was_fetched() -> None:
    flow = Flow("abc", START)

    class Told:
        def now(self) -> float:
            return START + 5

        def find(self, kind: str, name: str) -> dict[str, object]:
            said = {"lastAppliedRevision": "main@sha1:abc"} if kind == "kustomization" else {}
            return {"status": said}

    assert flow.look(Told())  # type: ignore[arg-type]
    assert (flow.fetched, flow.applied) == (START + 5, START + 5)
