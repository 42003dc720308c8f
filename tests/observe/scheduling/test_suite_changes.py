"""What the suite of scheduling changes in a cluster is undone, and a policy is waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.oracles.scheduling.preemption import NEVER, UNEXPLAINED, PodEvent
from suites.scheduling.objects import HIGH, LOW, NON_PREEMPTING, priorities
from suites.scheduling.test_placement import altered
from suites.scheduling.test_priorities import policy_problems

CHANGE, BACK = {"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}}


class LateServer:
    """Does what it is told; the answer to the first request comes too late, if it is `late`."""

    def __init__(self, late: bool) -> None:
        self._late = late
        self.done: list[object] = []

    def _answer(self, request: object) -> None:
        self.done.append(request)
        if self._late and len(self.done) == 1:
            raise LabError("no answer in time")

    def patch(self, *args: str, patch: object, deadline: Deadline) -> None:
        self._answer(patch)

    def apply(self, manifests: list[dict[str, Any]], deadline: Deadline) -> None:
        self._answer({manifest["metadata"]["name"] for manifest in manifests})

    def delete(self, *args: str, deadline: Deadline) -> None:
        self._answer(args)


@pytest.mark.parametrize("late", [True, False])
def test_a_change_of_a_node_is_undone_whether_or_not_it_was_answered(late: bool) -> None:
    server = LateServer(late)
    lab: Any = SimpleNamespace(kubectl=server)
    with (
        pytest.raises((LabError, ZeroDivisionError)),
        altered(lab, "edge-arm", CHANGE, BACK, Deadline.after),
    ):
        raise ZeroDivisionError
    assert server.done == [CHANGE, BACK]


@pytest.mark.parametrize("late", [True, False])
def test_priority_classes_are_deleted_whether_or_not_they_were_answered(late: bool) -> None:
    server = LateServer(late)
    lab: Any = SimpleNamespace(kubectl=server)
    with pytest.raises((LabError, ZeroDivisionError)), priorities(lab, Deadline.after):
        raise ZeroDivisionError
    assert server.done == [
        {HIGH, LOW, NON_PREEMPTING},
        ("priorityclass", HIGH, LOW, NON_PREEMPTING),
    ]


class Cluster:
    """A watch and its kubectl. At each look at the events one thing more has happened: the pod is
    refused; it is refused by its policy, or the victim of a preemption is deleted."""

    def __init__(self, obeys: bool, names: bool = True) -> None:
        self._obeys = obeys
        self._names = names
        self._looks = 0

    def items(self, *args: str, deadline: Deadline) -> list[dict[str, str]]:
        self._looks += 1
        policy = f" preemption: {NEVER}." if self._looks > 1 and self._obeys and self._names else ""
        message = f"0/1 nodes are available: 1 Insufficient cpu.{policy}"
        return [{"reason": "FailedScheduling", "message": message}]

    def has(self, name: str, moment: object) -> bool:
        return True

    def newest(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "uid": name}}

    def events(self, name: str) -> tuple[PodEvent, ...]:
        seen = [PodEvent(1, "ADDED", self.newest(name))]
        if name == "staying" and self._looks > 1 and not self._obeys:
            seen.append(PodEvent(2, "DELETED", self.newest(name)))
        return tuple(seen)


def found(cluster: Cluster, seconds: float = 60.0) -> tuple[str, ...]:
    lab: Any = SimpleNamespace(kubectl=cluster)
    watch: Any = cluster
    return policy_problems(lab, watch, "waiting", "staying", lambda _: Deadline.after(seconds))


def test_a_policy_is_judged_when_the_scheduler_has_named_it() -> None:
    assert found(Cluster(obeys=True)) == ()


def test_a_victim_that_is_deleted_after_the_first_refusal_is_found() -> None:
    assert any("staying" in problem for problem in found(Cluster(obeys=False)))


def test_a_policy_that_is_never_named_is_a_problem() -> None:
    assert found(Cluster(obeys=True, names=False), 0.01) == (UNEXPLAINED,)


def test_a_server_that_does_not_answer_is_the_lab_s_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*args: str, deadline: Deadline) -> list[dict[str, str]]:
        raise DeadlineExceeded("no answer in time")

    cluster = Cluster(obeys=True)
    monkeypatch.setattr(cluster, "items", silent)
    with pytest.raises(DeadlineExceeded):
        found(cluster)
