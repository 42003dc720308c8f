"""What a client of the API server waits for, and what it is told at once."""

from __future__ import annotations

import pytest

from edge_lab.cluster import client
from edge_lab.cluster.kubectl import NOT_YET, Kubectl, KubectlError, RequestRefused, StatusError
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from tests.cluster.api_server import NO_SUCH_PATH, NODES, NONE, TWO, Answer, ApiServer, status


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "Forbidden"),
        status(409, "Conflict"),
        status(429, "TooManyRequests"),
        status(500, "InternalError"),
        status(503, "ServiceUnavailable"),
        status(504, "Timeout"),
        status(401, "Unauthorized"),
        NO_SUCH_PATH,
        Answer("starting", 503, {"Content-Type": "text/plain"}),
        Answer("", 500),
        Answer("[1]", 500),
    ],
    ids=lambda answer: str(answer.code),
)
def test_what_may_be_better_in_a_moment_is_waited_for(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, answer: Answer
) -> None:
    api.answer(NODES, answer, answer, TWO)
    with pytest.raises(StatusError) as trouble:
        kubectl.items("nodes", deadline=soon)
    assert trouble.value.code == answer.code
    found = soon.wait_for(
        "nodes", lambda: kubectl.items("nodes", deadline=soon), every=0.01, transient=NOT_YET
    )
    assert len(found) == 2
    assert len(api.asked) == 3


def test_what_the_api_server_will_never_take_ends_the_wait(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    patched = "PATCH /api/v1/namespaces/default/configmaps/c"
    api.answer(patched, status(422, "Invalid"), Answer({}))
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    with pytest.raises(RequestRefused) as refused:
        kubectl.apply_patiently("it is there", [manifest], soon)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert len(api.asked) == 1


def test_a_caller_that_stays_unknown_is_not_waited_for(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "UNAUTHORIZED_SECONDS", 0.0)
    api.answer(NODES, status(401, "Unauthorized"))
    with pytest.raises(KubectlError):
        kubectl.items("nodes", deadline=soon)
    with pytest.raises(RequestRefused) as refused:
        kubectl.items("nodes", deadline=soon)
    assert refused.value.code == 401


def test_a_caller_that_was_known_in_between_is(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "UNAUTHORIZED_SECONDS", 0.0)
    api.answer(NODES, status(401), NONE, status(401))
    for _ in range(3):
        try:
            kubectl.items("nodes", deadline=soon)
        except KubectlError as trouble:
            assert trouble.refused  # noqa: PT017 - and no RequestRefused


@pytest.mark.parametrize(
    ("code", "refused"), [(401, True), (403, True), (404, False), (500, False)]
)
def test_being_refused_can_be_told_from_other_failures(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, code: int, refused: bool
) -> None:
    api.answer(NODES, status(code))
    with pytest.raises(KubectlError) as trouble:
        kubectl.items("nodes", deadline=soon)
    assert trouble.value.refused is refused


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_wants_to_be_asked_again_is(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, code: int
) -> None:
    later = Answer("", code, {"Retry-After": "0"})
    api.answer(NODES, later, later, TWO)
    assert len(kubectl.items("nodes", deadline=soon)) == 2
    assert len(api.asked) == 3


@pytest.mark.parametrize("after", ["", "3600", "soon"])
def test_a_server_that_is_not_ready_in_time_is_not_waited_for(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, after: str
) -> None:
    api.answer(NODES, Answer("", 429, {"Retry-After": after}))
    with pytest.raises(StatusError):
        kubectl.items("nodes", deadline=soon)
    assert len(api.asked) == 1


def test_nothing_is_asked_when_time_is_up(api: ApiServer, kubectl: Kubectl) -> None:
    with pytest.raises(DeadlineExceeded):
        kubectl.items("nodes", deadline=Deadline.after(0))
    assert api.asked == []
