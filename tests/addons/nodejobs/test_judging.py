"""The judge of pre-pull jobs: what passes, and each planted defect, which turns it red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from suites.nodejobs.evidence import PrePull, Sighting
from suites.nodejobs.judging import judge_prepull

A, B, IMAGE = "edge-a", "edge-b", "registry.edge-lab.local/cached:1"
EMPTY: frozenset[str] = frozenset()


def pulled() -> PrePull:
    """The second node has its images while the first is silent."""
    return PrePull(
        runtime="kubernetes+kubeedge",
        label="while edge-a is silent",
        nodes=(A, B),
        images=(IMAGE,),
        sightings=(
            Sighting(0.5, "", {}),
            Sighting(2.0, "InProgress", {A: "InProgress", B: "Pending"}),
            Sighting(62.0, "InProgress", {A: "Unknown", B: "InProgress"}),
            Sighting(65.0, "Completed", {A: "Unknown", B: "Successful"}),
        ),
        before={A: EMPTY, B: EMPTY},
        after={A: EMPTY, B: frozenset({IMAGE})},
        silent=A,
    )


PLANTED: dict[str, tuple[str, Callable[[PrePull], PrePull]]] = {
    "never sent to the other": (
        "its task is Pending, not Successful",
        lambda job: replace(job, sightings=job.sightings[:2]),
    ),
    "given up with the silent one": (
        "its task is Unknown, not Successful",
        lambda job: replace(
            job,
            sightings=(*job.sightings[:2], Sighting(62, "Failure", {A: "Unknown", B: "Unknown"})),
        ),
    ),
    "successful without the image": (
        f"{IMAGE} is not on the node",
        lambda job: replace(job, after={A: EMPTY, B: EMPTY}),
    ),
    "nothing sent to the silent one": (
        f"no evidence: {A} was not sent its task before",
        lambda job: replace(job, sightings=job.sightings[2:]),
    ),
    "sent only after the other was done": (
        f"no evidence: {A} was not sent its task before",
        lambda job: replace(
            job,
            sightings=(
                Sighting(5, "InProgress", {A: "Pending", B: "Successful"}),
                Sighting(9, "InProgress", {A: "InProgress", B: "Successful"}),
            ),
        ),
    ),
    "the silent one answers": (
        f"no evidence: {A} has answered",
        lambda job: replace(
            job,
            sightings=(
                *job.sightings,
                Sighting(70, "Completed", dict.fromkeys((A, B), "Successful")),
            ),
        ),
    ),
    "the image was there before": (
        f"no evidence: {IMAGE} was on the node before",
        lambda job: replace(job, before={A: EMPTY, B: frozenset({IMAGE})}),
    ),
    "no image": ("no evidence: the job has no image", lambda job: replace(job, images=())),
    "no sighting": (
        "its task is not listed, not Successful",
        lambda job: replace(job, sightings=()),
    ),
}


def test_a_job_that_goes_on_around_a_silent_node_passes() -> None:
    verdict = judge_prepull(pulled(), B)
    assert verdict.passed, str(verdict)
    assert [measure.value for measure in verdict.measures] == [65.0]
    assert len(verdict.evidence) == 4


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_found(defect: str) -> None:
    problem, plant = PLANTED[defect]
    verdict = judge_prepull(plant(pulled()), B)
    assert problem in verdict.problems


def test_the_silent_node_itself_is_no_evidence() -> None:
    assert "no evidence: its link was cut" in judge_prepull(pulled(), A).problems


def test_with_all_nodes_online_each_is_judged() -> None:
    online = replace(
        pulled(),
        silent="",
        sightings=(Sighting(9.0, "Completed", {A: "Successful", B: "Successful"}),),
        after=dict.fromkeys((A, B), frozenset({IMAGE})),
    )
    assert all(judge_prepull(online, node).passed for node in (A, B))
