"""A negative control for each thing that the autonomy oracle says: one flaw alone fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import Cut
from tests.oracles.recordings import answered, containers, fault, pod, ready, waiting
from tests.oracles.verdicts import CUT, POWER, altered, judged, says


def _with_samples(**change: Any) -> Recording:
    return altered(CUT, samples=(replace(CUT.samples[0], **change),))


LESS = [each for each in CUT.samples[0].collected if each.number != 77]
WRONG = [
    each.model_copy(update={"values": {"force": 1.0, "parts": 9}}) if each.number == 9 else each
    for each in CUT.samples[0].collected
]
NEW_UID = pod(170, "uid-2")
OVERLAP = (containers(1, "first"), containers(165, "other", uid="uid-2"))


@pytest.mark.parametrize(
    ("recording", "expect", "sentence"),
    [
        (_with_samples(collected=LESS), {}, "press: 1 lost: 77"),
        (
            _with_samples(collected=[*CUT.samples[0].collected, LESS[3]]),
            {},
            "press: 1 repeated: 4",
        ),
        (_with_samples(collected=WRONG), {}, "press: sample 9 (step 9) is wrong"),
        (
            altered(CUT, pod_seen=(pod(1), NEW_UID)),
            {},
            "was recreated at +110.0 s by the API server's view: uid-2",
        ),
        (
            altered(
                CUT,
                container_seen=(
                    containers(1, "first"),
                    containers(165),
                    containers(166, "other", uid="uid-2"),
                ),
            ),
            {},
            "was recreated at +106.0 s by the node's own view: uid-2",
        ),
        (
            altered(CUT, pod_seen=(pod(1), pod(170, deleting=True))),
            {},
            "was marked for deletion: uid-1",
        ),
        (
            altered(CUT, container_seen=OVERLAP),
            {"may_recreate": True},
            "two pods edge-lab/sampler-edge-arm ran at once +105.0 s to +180.0 s: uid-1, uid-2",
        ),
        (
            altered(CUT, pod_seen=(pod(1), pod(170, gone=True))),
            {"may_recreate": True},
            "is gone, and was not replaced",
        ),
        (
            altered(CUT, container_seen=(containers(1, "first"), containers(165))),
            {"downtime_s": None},
            "did not run at the end",
        ),
        (
            altered(CUT, node_seen=ready((1, "True"), (101, "Unknown"))),
            {},
            "edge-arm never became Ready again: Ready=Unknown at the end",
        ),
        (
            altered(CUT, node_seen=ready((1, "True"), (101, "Unknown"), (162, "True"), (235, "F"))),
            {},
            "edge-arm never became Ready again: Ready=F at the end",
        ),
        (
            altered(CUT, waiting_seen=waiting([(2, 1), (100, 50), (239, 90)])),
            {},
            "the backlog never arrived: 90 samples wait on edge-arm at the end, 2 are usual",
        ),
        (
            altered(CUT, waiting_seen=waiting([(2, 1), (160, 2), (239, 90)])),
            {},
            "the backlog never arrived: 90",
        ),
        (
            altered(CUT, pod_seen=(pod(1, restarts=3), pod(170, restarts=5))),
            {"may_restart": 1},
            "was restarted: restart count up by 2, 0 containers replaced; at most 1 are allowed",
        ),
        (
            altered(CUT, container_seen=(containers(1, "first"), containers(90, "second"))),
            {},
            "was restarted: restart count up by 0, 1 containers replaced; at most 0 are allowed",
        ),
        (
            POWER,
            {"may_restart": 1, "downtime_s": 49.9},
            "50.0 s of downtime; at most 49.9 s are allowed",
        ),
        (
            POWER,
            {"may_restart": 1, "downtime_s": None, "up_at_heal": True},
            "sampler-edge-arm did not run before the last heal",
        ),
        (
            altered(CUT, answered=answered((0, True, "b"), (90, False, ""), (121, True, "b"))),
            {},
            "31.0 s of downtime; at most 5 s are allowed",
        ),
        (
            altered(CUT, node_seen=ready((1, "True"))),
            {"must_detect": True},
            "the API server never detected the loss of edge-arm",
        ),
        (CUT, {"ready_s": 9}, "the return of edge-arm took 10.0 s; at most 9 s are allowed"),
        (CUT, {"backlog_s": 17.5}, "the backlog took 18.0 s; at most 17.5 s are allowed"),
        (
            altered(CUT, node_seen=ready((1, "False"), (162, "True"))),
            {},
            "edge-arm was Ready=False before the first fault",
        ),
        (
            altered(CUT, faults=(fault(1, Cut(link="arm-cloud"), 60, 61),)),
            {},
            "fault 1 (cut on arm-cloud) was never healed",
        ),
    ],
)
def test_one_flaw_alone_fails(recording: Recording, expect: dict[str, Any], sentence: str) -> None:
    says(judged(recording, **expect), sentence)


def test_duplicates_are_counted_by_name() -> None:
    assert judged(altered(CUT, container_seen=OVERLAP)).figures.duplicates == 1


def test_what_may_be_is_no_problem_and_is_counted_all_the_same() -> None:
    """The controls above with what they complain of allowed."""
    recreated = altered(
        CUT,
        pod_seen=(pod(1), pod(165, gone=True), NEW_UID),
        container_seen=(
            containers(1, "first"),
            containers(164),
            containers(166, "other", uid="uid-2"),
        ),
    )
    verdict = judged(recreated, may_recreate=True)
    assert verdict.passed, verdict
    assert (verdict.figures.recreated, verdict.figures.replaced) == (1, 0)
    never = altered(CUT, faults=(fault(1, Cut(link="arm-cloud"), 60, 61),))
    left_cut = altered(never, node_seen=ready((1, "True"), (101, "Unknown")))
    verdict = judged(left_cut, must_return=False)
    assert verdict.passed, verdict
    assert verdict.figures.ready_after_s is verdict.figures.backlog_after_s is None
