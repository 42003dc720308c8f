"""A full node and a pod that is more urgent: who has to go, what he gets, and who must stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.placement import PENDING_REASON, free
from edge_lab.oracles.scheduling.preemption import judge_preemption, judge_staying
from edge_lab.oracles.scheduling.stages import Moment
from suites.pods import POD_SECONDS
from suites.scheduling.objects import (
    DEAF,
    GRACE_SECONDS,
    HIGH,
    LOW,
    PATIENT,
    SAID_GOODBYE,
    events_of,
    on,
    placed,
    pod,
    priorities,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Priorities")]

LEAST_MILLI = 200
"""Of a CPU: so much must be free on a node that is to be filled."""
DEAF_GRACE_SECONDS = 5
KILLED = 137
"""Exit code of a container that SIGKILL has ended."""


@pytest.fixture
def node(lab: Lab) -> str:
    """The node that is filled: the first of the edge nodes."""
    return lab.topology.edges[0].name


@pytest.fixture
def most(lab: Lab, node: str, time_limit: TimeLimit) -> Iterator[str]:
    """So much CPU that it fits on the node once and not twice. The classes are there."""
    limit = time_limit(60)
    bound = lab.kubectl.items("pods", "-A", deadline=limit)
    left = free(lab.kubectl.get_json("node", node, deadline=limit), "cpu", bound)
    milli = int(left * 1000)
    if milli < LEAST_MILLI:
        raise MissingCapability(f"{node} has {milli} m of CPU left to reserve")
    with priorities(lab, time_limit):
        yield f"{milli * 3 // 4}m"


def running(watch: PodWatch, name: str, time_limit: TimeLimit) -> None:
    eventually(f"{name} runs", lambda: watch.has(name, Moment.RUNNING), time_limit(POD_SECONDS))


def gone(watch: PodWatch, name: str, time_limit: TimeLimit) -> None:
    def deleted() -> bool:
        return any(event.kind == "DELETED" for event in watch.events(name))

    eventually(f"{name} is gone", deleted, time_limit(POD_SECONDS))


def deaf(manifest: dict[str, Any]) -> dict[str, Any]:
    """A pod that does not hear SIGTERM, and has little time."""
    spec = manifest["spec"]
    container = {**spec["containers"][0], "command": DEAF}
    short = {"terminationGracePeriodSeconds": DEAF_GRACE_SECONDS}
    return {**manifest, "spec": {**spec, **short, "containers": [container]}}


@pytest.mark.scenario("preemption")
@allure.title("An urgent pod takes the place of another, which has its SIGTERM and its grace")
def test_an_urgent_pod_takes_the_place_of_another(
    lab: Lab,
    node: str,
    most: str,
    pod_watch: PodWatch,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    victim = pod("victim", on(node), cpu=most, priority=LOW)
    with placed(lab, [victim], time_limit):
        running(pod_watch, "victim", time_limit)
        lab.kubectl.apply(pod("urgent", on(node), cpu=most, priority=HIGH), time_limit(60))
        running(pod_watch, "urgent", time_limit)
        gone(pod_watch, "victim", time_limit)
    found = judge_preemption(
        *(pod_watch.events("urgent"), pod_watch.events("victim")),
        grace_s=GRACE_SECONDS,
        exit_code=SAID_GOODBYE,
    )
    for label, seconds in (("Running", found.running_after_s), ("gone", found.gone_after_s)):
        reason = "" if seconds is not None else "it was not seen"
        title = {"Running": "urgent pod runs after", "gone": "victim gone after"}[label]
        measure(title, seconds, unit="s", better="lower", node=node, reason=reason)
    allure.attach(str(found), "preemption", allure.attachment_type.TEXT)
    assert found.passed, str(found)


@allure.title("A victim that does not hear SIGTERM is told from one that does")
def test_a_victim_that_does_not_hear_is_found_out(
    lab: Lab, node: str, most: str, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    with placed(lab, [deaf(pod("deaf", on(node), cpu=most, priority=LOW))], time_limit):
        running(pod_watch, "deaf", time_limit)
        lab.kubectl.apply(pod("pressing", on(node), cpu=most, priority=HIGH), time_limit(60))
        running(pod_watch, "pressing", time_limit)
        gone(pod_watch, "deaf", time_limit)
    found = judge_preemption(
        *(pod_watch.events("pressing"), pod_watch.events("deaf")),
        grace_s=DEAF_GRACE_SECONDS,
        exit_code=SAID_GOODBYE,
    )
    assert not found.passed, str(found)
    assert found.exit_code == KILLED


@pytest.mark.scenario("no preemption")
@allure.title("A pod that preempts nobody waits for its place, however urgent it is")
def test_a_patient_pod_preempts_nobody(
    lab: Lab, node: str, most: str, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    staying = pod("staying", on(node), cpu=most, priority=LOW)
    with placed(lab, [staying], time_limit):
        running(pod_watch, "staying", time_limit)
        lab.kubectl.apply(pod("patient", on(node), cpu=most, priority=PATIENT), time_limit(60))

        def refused() -> bool:
            events = events_of(lab, pod_watch, "patient", time_limit(60))
            return any(event.startswith(PENDING_REASON) for event in events)

        eventually("the scheduler has refused it", refused, time_limit(120))
        problems = judge_staying(pod_watch.events("staying"))
        bound = pod_watch.has("patient", Moment.SCHEDULED)
    assert not problems, problems
    assert not bound, "the patient pod was bound to a full node"
