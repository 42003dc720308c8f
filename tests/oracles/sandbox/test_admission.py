"""What is held against pods at admission, and that a refusal for another reason is a finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.hostile.admission import (
    GATE,
    REQUESTS,
    namespace_manifest,
    requested_pod,
)
from edge_lab.oracles.sandbox.admission import (
    ADMISSION,
    AdmissionFinding,
    AdmissionVerdict,
    Answer,
    Level,
    judge_admission,
)
from edge_lab.report.admissionmatrix import admission_html

REFUSAL = (
    'apply Pod edge-lab-restricted/asks-default: pods "asks-default" is forbidden: violates '
    'PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "hostile" must '
    "set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
    '"hostile" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or '
    'container "hostile" must set securityContext.runAsNonRoot=true), seccompProfile (pod or '
    'container "hostile" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost") (HTTP 403)'
)
"""As an API server of 1.34 writes it (pod-security-admission, admission/admission.go)."""


def refusal(level: Level, reasons: frozenset[str]) -> str:
    told = ", ".join(f'{reason} (container "hostile" must not)' for reason in sorted(reasons))
    return f'pods "x" is forbidden: violates PodSecurity "{level}:latest": {told}'


def answers() -> list[Answer]:
    return [
        Answer(name, level, 403, refusal(level, row.refusals[level]))
        if level in row.refusals
        else Answer(name, level, 201)
        for name, row in ADMISSION.items()
        for level in Level
    ]


def judged(**changes: Answer | None) -> AdmissionVerdict:
    """With another answer to the pod `default` of a level."""
    found = []
    for answer in answers():
        if answer.request == "default" and answer.level in changes:
            other = changes[answer.level]
            found += [other] if other else []
        else:
            found.append(answer)
    return judge_admission("server", "stack", found)


def test_reasons_are_read_from_the_api_servers_words() -> None:
    answer = Answer("default", Level.RESTRICTED, 403, REFUSAL)
    assert answer.policy == Level.RESTRICTED
    assert answer.reasons == ADMISSION["default"].refusals[Level.RESTRICTED]


def test_all_as_declared_passes() -> None:
    verdict = judged()
    assert verdict.passed, str(verdict)
    assert len(verdict.judged) == len(ADMISSION) * len(Level)


DEFAULT = Answer("default", Level.RESTRICTED, 403, REFUSAL)
OTHER = 'serviceaccount "default" not found'


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (None, AdmissionFinding.NO_EVIDENCE),
        (Answer("default", Level.RESTRICTED, 201), AdmissionFinding.ADMITTED),
        (replace(DEFAULT, message=OTHER), AdmissionFinding.WRONG_REASON),
        (replace(DEFAULT, code=422), AdmissionFinding.WRONG_REASON),
        (
            replace(DEFAULT, message=REFUSAL.replace("restricted:", "baseline:")),
            AdmissionFinding.WRONG_REASON,
        ),
        (
            replace(DEFAULT, message=REFUSAL.replace("runAsNonRoot != true", "privileged")),
            AdmissionFinding.WRONG_REASON,
        ),
    ],
)
def test_any_other_answer_is_a_finding(answer: Answer | None, finding: AdmissionFinding) -> None:
    verdict = judged(restricted=answer)
    assert not verdict.passed
    assert [
        judgement.finding
        for judgement in verdict.judged
        if judgement.finding is not AdmissionFinding.PASS
    ] == [finding]
    assert 'class="' + ("unknown" if answer is None else "bad") in admission_html(verdict.judged)


def test_a_control_that_is_refused_is_a_finding() -> None:
    control = Answer("default", Level.PRIVILEGED, 403, OTHER)
    assert not judged(privileged=control).passed


def test_each_row_has_its_pod_and_no_pod_is_ever_started() -> None:
    assert set(REQUESTS) == set(ADMISSION)
    pods = [requested_pod(name, "ns") for name in REQUESTS]
    assert {str(pod["spec"]["schedulingGates"]) for pod in pods} == {str([{"name": GATE}])}
    assert not [pod for pod in pods if "nodeName" in pod["spec"]]
    assert len({str(pod["spec"]) for pod in pods}) == len(pods)


def test_a_namespace_enforces_its_level() -> None:
    labels = namespace_manifest("n", Level.BASELINE)["metadata"]["labels"]
    assert labels == {"pod-security.kubernetes.io/enforce": "baseline"}
