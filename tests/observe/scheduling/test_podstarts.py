"""Pods that are started and timed on a node of which the truth is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.observe.scheduling import podstarts
from edge_lab.observe.scheduling.podstarts import TOGETHER, Planned, PodStarts
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.history import PodHistory
from edge_lab.oracles.scheduling.stages import Moment, stages_of
from edge_lab.topology import Cri
from tests.observe.scheduling.fake_node import NODE, FakeNode


@contextlib.contextmanager
def starting(node: FakeNode) -> Iterator[PodStarts]:
    with pytest.MonkeyPatch.context() as patch, PodWatch(node, "edge-lab") as watch:
        patch.setattr(podstarts, "node_clock", node.clock)
        watch.wait_begun(Deadline.after(60))
        yield PodStarts(node.lab(), NODE, Deadline.after, watch)


def test_the_moments_of_crio_cannot_be_read() -> None:
    node = FakeNode()
    other = NODE.model_copy(update={"cri": Cri.CRI_O})
    with (
        PodWatch(node, "edge-lab") as watch,
        pytest.raises(MissingCapability, match="edge-arm has cri-o"),
    ):
        PodStarts(node.lab(), other, Deadline.after, watch)


@pytest.mark.parametrize("ahead", [0, 3_600_000_000_000, -7_200_000_000_000])
def test_all_stages_of_each_pod_are_recorded_whatever_the_node_s_clock(ahead: int) -> None:
    node = FakeNode(ahead)
    with starting(node) as starts:
        found = starts.one_by_one([Planned(), Planned("busy")])
    assert [start.condition for start in found] == ["idle", "busy"]
    for start in found:
        times = stages_of(start)
        assert 0 < times.startup < 600  # no hour of the node's clock is in it
        assert start.accelerator == "tcg"
        assert start.history == PodHistory(nodes=(NODE.name,))
    assert node.deleted == 2


def test_pods_start_one_after_the_other_and_few_stay_together() -> None:
    node, lab_was = FakeNode(), []

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        lab_was.append(len(node.pods))
        yield

    with starting(node) as starts:
        found = starts.one_by_one([Planned(around=around)] * (TOGETHER + 2))
    assert len({start.pod for start in found}) == TOGETHER + 2
    assert lab_was == [*range(TOGETHER), 0, 1]
    assert node.at_once == TOGETHER
    for start, after in pairwise(found):
        assert start.moments[Moment.READY] <= after.moments[Moment.CREATED]


def test_a_burst_is_created_before_it_is_waited_for() -> None:
    node = FakeNode()
    with starting(node) as starts:
        assert len(starts.at_once([Planned()] * 7)) == 7
    assert (node.at_once, node.deleted) == (7, 7)


@pytest.mark.parametrize("word", ["RunPodSandbox", "CreateContainer"])
def test_what_the_journal_does_not_have_is_no_evidence(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podstarts, "JOURNAL_SECONDS", 0.05)
    node = FakeNode(silent=(word,))
    with starting(node) as starts:
        found = starts.one_by_one([Planned()])
    with pytest.raises(LabError, match="no evidence"):
        stages_of(found[0])
    assert node.deleted == 1


def test_a_pod_that_is_bound_by_name_has_no_stage_of_scheduling() -> None:
    with starting(FakeNode()) as starts:
        found = starts.one_by_one([Planned(changes={"nodeName": NODE.name})])
    with pytest.raises(LabError, match=r"no evidence.*scheduled"):
        stages_of(found[0])


def test_a_pod_that_does_not_get_ready_is_the_product_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(podstarts, "START_SECONDS", 0.05)
    node = FakeNode()
    monkeypatch.setattr(node, "_start", lambda manifest: None)
    with starting(node) as starts, pytest.raises(AssertionError, match="Ready"):
        starts.one_by_one([Planned()])
    assert node.deleted == 1
