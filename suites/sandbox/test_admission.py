"""Which hostile pods are stopped before any node sees them: Pod Security Admission, by the level
that a namespace enforces."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.hostile.admission import REQUESTS, namespace_manifest, requested_pod
from edge_lab.cluster.kubectl import KubectlError, RequestRefused, StatusError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import keep_verdict, scenario_of
from edge_lab.fixtures.outcomes import eventually
from edge_lab.oracles.sandbox.admission import Answer, Level, judge_admission
from edge_lab.report.admissionmatrix import admission_html
from suites.sandbox.runtimes import need_gvisor

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Admission")]

CREATED = 201
REQUEST_SECONDS = 60.0


def account_of(lab: Lab, namespace: str, time_limit: TimeLimit) -> dict[str, Any] | None:
    """The service account of its pods, once there is one."""
    return lab.kubectl.find(
        "serviceaccount", "default", "-n", namespace, deadline=time_limit(REQUEST_SECONDS)
    )


@pytest.fixture
def namespaces(lab: Lab, time_limit: TimeLimit) -> Iterator[dict[Level, str]]:
    """A namespace of each level, with its service account, without which no pod is admitted."""
    names = {level: f"edge-lab-{level}" for level in Level}
    try:
        for level, name in names.items():
            lab.kubectl.apply(namespace_manifest(name, level), time_limit(REQUEST_SECONDS))
        for name in names.values():
            eventually(
                f"{name} has its service account",
                partial(account_of, lab, name, time_limit),
                time_limit(2 * REQUEST_SECONDS),
                transient=(KubectlError,),
            )
        yield names
    finally:
        for name in names.values():
            lab.kubectl.delete("namespace", name, deadline=time_limit(4 * REQUEST_SECONDS))


@pytest.mark.scenario("hostile pods at admission")
@allure.title(
    "Pod Security admission rejects pods that a namespace's level forbids, and admits all others"
)
def test_pods_are_refused_by_the_level_of_their_namespace(
    request: pytest.FixtureRequest,
    lab: Lab,
    namespaces: dict[Level, str],
    time_limit: TimeLimit,
) -> None:
    need_gvisor(lab)  # a RuntimeClass that is not there is refused for that
    answers = [
        answer_of(lab, name, level, namespace, time_limit)
        for level, namespace in namespaces.items()
        for name in REQUESTS
    ]
    verdict = judge_admission(lab.topology.server.name, lab.stack_name, answers)
    page = admission_html(verdict.judged)
    allure.attach(page, "pod admission", allure.attachment_type.HTML)
    keep_verdict(request.config, scenario_of(request.node), verdict)
    assert verdict.passed, str(verdict)


def answer_of(lab: Lab, name: str, level: Level, namespace: str, time_limit: TimeLimit) -> Answer:
    """What the API server says to one pod."""
    try:
        lab.kubectl.apply(requested_pod(name, namespace), time_limit(REQUEST_SECONDS))
    except (StatusError, RequestRefused) as refusal:
        return Answer(name, level, refusal.code, refusal.message)
    return Answer(name, level, CREATED)
