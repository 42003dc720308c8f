"""A full node and a pod of a higher priority: which pod goes, how, and which must stay."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.preemption import (
    UNEXPLAINED,
    judge_never,
    judge_preemption,
    judge_staying,
)
from edge_lab.oracles.scheduling.stages import Moment
from suites.scheduling.decisions import gone, running
from suites.scheduling.objects import (
    GRACE_SECONDS,
    HIGH,
    IGNORES_SIGTERM,
    LOW,
    NON_PREEMPTING,
    SIGTERM_EXIT_CODE,
    events_of,
    on,
    placed,
    pod,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Priorities")]

BYSTANDER_CPU = "20m"
"""So little that it fits beside a pod with `most`, of at least 200 m that are free."""
SHORT_GRACE_SECONDS = 5
REFUSED_SECONDS = 120.0
"""For the scheduler to refuse a pod, and to say why."""
KILLED = 137
"""Exit code of a container that SIGKILL has ended."""


def ignoring_sigterm(manifest: dict[str, Any]) -> dict[str, Any]:
    """The pod, but it ignores SIGTERM, and has a short grace period."""
    spec = manifest["spec"]
    container = {**spec["containers"][0], "command": IGNORES_SIGTERM}
    short = {"terminationGracePeriodSeconds": SHORT_GRACE_SECONDS}
    return {**manifest, "spec": {**spec, **short, "containers": [container]}}


@pytest.mark.core
@pytest.mark.scenario("preemption")
@allure.title(
    "A pod of high priority preempts one of low priority, which gets SIGTERM and its grace period, "
    "and none of its own priority"
)
def test_an_urgent_pod_preempts_another(
    lab: Lab,
    first_edge: str,
    most: str,
    pod_watch: PodWatch,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    victim = pod("victim", on(first_edge), cpu=most, priority=LOW)
    bystander = pod("bystander", on(first_edge), cpu=BYSTANDER_CPU, priority=HIGH)
    with placed(lab, [victim, bystander], time_limit):
        for name in ("victim", "bystander"):
            running(pod_watch, name, time_limit)
        lab.kubectl.apply(pod("urgent", on(first_edge), cpu=most, priority=HIGH), time_limit(60))
        running(pod_watch, "urgent", time_limit)
        gone(pod_watch, "victim", time_limit)
        # Before all of them are deleted.
        moved = judge_staying(pod_watch.events("bystander"))
    found = judge_preemption(
        *(pod_watch.events("urgent"), pod_watch.events("victim")),
        grace_s=GRACE_SECONDS,
        exit_code=SIGTERM_EXIT_CODE,
    )
    for label, seconds in (("Running", found.running_after_s), ("gone", found.gone_after_s)):
        reason = "" if seconds is not None else "it was not seen"
        title = {"Running": "high-priority pod running after", "gone": "victim gone after"}[label]
        measure(title, seconds, unit="s", better="lower", node=first_edge, reason=reason)
    allure.attach(str(found), "preemption", allure.attachment_type.TEXT)
    assert found.passed, str(found)
    assert not moved, moved
    # The same verdict on the pod that was preempted is red.
    assert judge_staying(pod_watch.events("victim"))


@pytest.mark.core
@allure.title("A victim that ignores SIGTERM is distinguished from one that handles it (control)")
def test_a_victim_that_ignores_sigterm_is_found(
    lab: Lab, first_edge: str, most: str, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    with placed(
        lab, [ignoring_sigterm(pod("ignoring", on(first_edge), cpu=most, priority=LOW))], time_limit
    ):
        running(pod_watch, "ignoring", time_limit)
        lab.kubectl.apply(
            pod("preempting", on(first_edge), cpu=most, priority=HIGH), time_limit(60)
        )
        running(pod_watch, "preempting", time_limit)
        gone(pod_watch, "ignoring", time_limit)
    found = judge_preemption(
        *(pod_watch.events("preempting"), pod_watch.events("ignoring")),
        grace_s=SHORT_GRACE_SECONDS,
        exit_code=SIGTERM_EXIT_CODE,
    )
    assert not found.passed, str(found)
    assert found.exit_code == KILLED


@pytest.mark.scenario("no preemption")
@allure.title("A pod with preemptionPolicy Never waits for room, whatever its priority")
def test_a_pod_with_the_policy_never_preempts_no_other(
    lab: Lab, first_edge: str, most: str, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    staying = pod("staying", on(first_edge), cpu=most, priority=LOW)
    with placed(lab, [staying], time_limit):
        running(pod_watch, "staying", time_limit)
        waiting = pod("waiting", on(first_edge), cpu=most, priority=NON_PREEMPTING)
        lab.kubectl.apply(waiting, time_limit(60))
        found = policy_problems(lab, pod_watch, "waiting", "staying", time_limit)
    assert not found, found


def policy_problems(
    lab: Lab, watch: PodWatch, waiting: str, staying: str, time_limit: TimeLimit
) -> tuple[str, ...]:
    """Problems of a pod that may preempt no other, once the scheduler has said that it may not, or
    has acted otherwise.

    A refusal alone does not tell: victims of an asynchronous preemption are deleted after it
    (https://github.com/kubernetes/enhancements/issues/4832).
    """
    limit = time_limit(REFUSED_SECONDS)
    found: tuple[str, ...] = (UNEXPLAINED,)

    def decided() -> bool:
        nonlocal found
        events = events_of(lab, watch, waiting, time_limit(60))
        found = judge_never(watch.events(waiting), watch.events(staying), events)
        return found != (UNEXPLAINED,)

    limit.wait_for("the watch shows it", lambda: watch.has(waiting, Moment.CREATED))
    with contextlib.suppress(AssertionError):
        eventually("the scheduler has named the preemption policy", decided, limit, every=1.0)
    return found
