"""What the cloud says, rollouts and latencies: evidence that passes, and planted defects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.models.versions import BETTER
from edge_lab.oracles.models.cloud import judge_canary, judge_latency, judge_reported
from edge_lab.oracles.models.evidence import Canary, Latency, Look, Reported, Turn
from tests.oracles.models.scenes import BEGAN, DIGESTS, KNOWN, NEW, OLD, red


def look(second: float, phase: str, said: str, ran: str) -> Look:
    digest = DIGESTS.get(said, "")
    return Look(BEGAN + second, phase, digest, DIGESTS[ran])


CHANGE = BEGAN + 10
ONLINE = Reported(
    "edge",
    "native",
    (
        look(0, "Done", OLD, OLD),
        look(5, "Told", OLD, OLD),
        look(12, "Told", OLD, NEW),
        look(20, "Done", NEW, NEW),
        look(60, "Done", NEW, NEW),
    ),
    (CHANGE,),
    None,
    KNOWN,
)
OFFLINE = replace(
    ONLINE,
    looks=(
        look(0, "Done", NEW, NEW),
        look(22, "Done", NEW, NEW),
        look(50, "Done", NEW, OLD),
        look(120, "Unknown", "", OLD),
        look(152, "Failed", OLD, OLD),
        look(190, "Failed", OLD, OLD),
    ),
    changes=(BEGAN + 30,),
    offline=(BEGAN + 20, BEGAN + 150),
)


@pytest.mark.parametrize("reported", [ONLINE, OFFLINE], ids=["online", "offline"])
def test_a_cloud_that_knows_what_runs_passes(reported: Reported) -> None:
    verdict = judge_reported(reported)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        (replace(ONLINE, looks=ONLINE.looks[:2]), "no evidence"),
        (replace(ONLINE, changes=()), "no evidence"),
        (
            replace(ONLINE, looks=(*ONLINE.looks[:3], look(50, "Told", OLD, NEW), ONLINE.looks[4])),
            "and 10 does",
        ),
        (replace(ONLINE, looks=(look(2, "Done", NEW, OLD), *ONLINE.looks[1:])), "and 2 does"),
        (replace(ONLINE, looks=(*ONLINE.looks[:4], look(60, "Done", OLD, NEW))), "in the end"),
        (replace(ONLINE, looks=(*ONLINE.looks[:4], look(60, "Unknown", "", NEW))), "in the end"),
        (
            replace(
                OFFLINE, looks=(*OFFLINE.looks[:3], look(120, "Done", NEW, OLD), OFFLINE.looks[-1])
            ),
            "still says",
        ),
        (
            replace(
                OFFLINE, looks=(*OFFLINE.looks[:4], look(185, "Done", NEW, OLD), OFFLINE.looks[-1])
            ),
            "and 2 does",
        ),
    ],
)
def test_a_cloud_that_is_wrong_is_red(reported: Reported, words: str) -> None:
    red(judge_reported(reported), words)


CANARY = Canary(
    "native",
    NEW,
    (
        Turn("a", 10.0, 30.0, "promoted"),
        Turn("b", 32.0, 50.0, "promoted"),
        Turn("c", 52.0, 55.0, "promoted"),
    ),
    1.0,
)


def turns(*found: Turn) -> Canary:
    return replace(CANARY, turns=found)


A, B, C = CANARY.turns


@pytest.mark.parametrize(
    "canary",
    [CANARY, turns(replace(A, outcome="refused"), Turn("b", None, None, ""))],
    ids=["all", "halted"],
)
def test_one_node_after_the_other_passes(canary: Canary) -> None:
    assert judge_canary(canary).passed, str(judge_canary(canary))


@pytest.mark.parametrize(
    ("canary", "words"),
    [
        (turns(), "no evidence"),
        (turns(A), "no evidence"),
        (turns(A, replace(B, told=11.0), C), "had ended"),
        (
            turns(A, Turn("b", None, None, ""), replace(C, told=11.0)),
            "c was told before a had ended",
        ),
        (turns(replace(A, told=60.0, ended=70.0), B, C), "in the order"),
        (turns(A, B, Turn("c", None, None, "")), "did not get"),
        (turns(replace(A, outcome="refused"), B, C), "after a refused"),
    ],
)
def test_a_rollout_that_is_no_canary_is_red(canary: Canary, words: str) -> None:
    red(judge_canary(canary), words)


LATENCY = Latency("edge", "native", "edge", "3G", (1.0,) * 20, 9.0, (BETTER,))


def test_a_latency_is_measured() -> None:
    verdict = judge_latency(LATENCY, tag=BETTER)
    assert verdict.passed
    assert [measure.value for measure in verdict.measures] == [1.0, 1.0, 9.0]


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (replace(LATENCY, ms=(1.0,)), "no evidence"),
        (replace(LATENCY, ms=(), first_ms=None, tags=()), "no evidence"),
        (replace(LATENCY, troubles=("refused",)), "failed"),
        (replace(LATENCY, tags=(BETTER, NEW)), "answered by"),
    ],
)
def test_a_latency_of_something_else_is_red(latency: Latency, words: str) -> None:
    red(judge_latency(latency, tag=BETTER), words)
