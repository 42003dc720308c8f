"""Connections to an API server: kept, lost, slow, and refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.cluster import transport
from edge_lab.cluster.kubectl import NOT_YET, Kubectl, KubectlError, StatusError
from edge_lab.core import speed
from edge_lab.core.deadline import Deadline
from edge_lab.pki.authority import Authority
from tests.cluster.api_server import NODES, NONE, Answer, ApiServer

slow = pytest.mark.slow(reason="a server that is silent for real seconds")

SLACK = 15.0
"""Seconds by which a busy host may be late."""


@pytest.fixture(autouse=True)
def as_the_reference_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "patience", lambda: 1.0)


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Whoever waits for it in a server waits until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_connection_is_kept(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    api.answer(NODES, NONE)
    api.answer("GET /readyz", Answer("ok"))
    for _ in range(3):
        kubectl.items("nodes", deadline=soon)
        kubectl.raw("/readyz", soon)
    assert api.connections == 1


def test_an_error_costs_no_connection(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    api.answer(NODES, Answer("", 503), NONE)
    with pytest.raises(StatusError):
        kubectl.items("nodes", deadline=soon)
    kubectl.items("nodes", deadline=soon)
    assert api.connections == 1


def test_a_slow_answer_is_waited_for_until_the_deadline(
    api: ApiServer, kubectl: Kubectl, hanging: threading.Event
) -> None:
    api.answer(NODES, Answer(NONE.body, wait=hanging.wait))
    began = time.monotonic()
    with pytest.raises(NOT_YET):
        kubectl.items("nodes", deadline=Deadline.after(0.5))
    assert 0.4 < time.monotonic() - began < 0.5 + SLACK
    assert api.connections <= 1  # a new connection that gives no answer is not tried again


@slow
def test_an_answer_that_is_slow_but_in_time_is_one(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, Answer(NONE.body, wait=lambda: time.sleep(0.5)))
    assert kubectl.items("nodes", deadline=soon) == []


@slow
def test_an_answer_without_end_ends_with_the_deadline(api: ApiServer, kubectl: Kubectl) -> None:
    api.answer(NODES, Answer(NONE.body, trickles=True))
    began = time.monotonic()
    with pytest.raises(NOT_YET):
        kubectl.items("nodes", deadline=Deadline.after(0.7))
    assert time.monotonic() - began < 0.7 + SLACK


def test_a_kept_connection_that_went_silent_is_replaced(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "KEPT_SECONDS", 0.3)
    api.answer(NODES, NONE)
    kubectl.items("nodes", deadline=soon)
    api.freeze()
    kubectl.items("nodes", deadline=soon)
    assert api.connections == 2
    # A busy host may take longer than that to answer on the new one.
    monkeypatch.setattr(transport, "KEPT_SECONDS", 20.0)
    kubectl.items("nodes", deadline=soon)
    assert api.connections == 2


@slow
def test_connections_that_went_silent_together_cost_one_request_not_one_each(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    """A machine came back from a checkpoint; what is asked for a short time only does not have
    to find out of each of its connections."""
    together = threading.Barrier(2)
    api.answer("GET /a", Answer("ok", wait=lambda: together.wait(soon.remaining)))
    api.answer(NODES, NONE)
    threads = [threading.Thread(target=kubectl.raw, args=("/a", soon)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(soon.remaining)
    assert api.connections == 2
    api.freeze()
    with pytest.raises(NOT_YET):
        kubectl.items("nodes", deadline=Deadline.after(2.0))
    assert kubectl.items("nodes", deadline=soon) == []
    assert api.connections == 3


def test_a_server_from_a_checkpoint_is_asked_on_a_new_connection_at_once(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    """Nobody asked while it was away; the connection that was kept is of another life."""
    api.answer(NODES, NONE)
    kubectl.items("nodes", deadline=soon)
    api.stop()
    api.start()
    began = time.monotonic()
    assert kubectl.items("nodes", deadline=soon) == []
    assert time.monotonic() - began < SLACK
    assert api.connections == 2


def test_certificates_of_a_restored_lab_end_the_connections_of_the_former(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, NONE)
    kubectl.items("nodes", deadline=soon)
    api.stop()
    api.authority = Authority.create("restored")
    api.start()
    with pytest.raises(KubectlError):
        kubectl.items("nodes", deadline=soon)
    former = kubectl._api
    api.kubeconfig()
    assert kubectl.items("nodes", deadline=soon) == []
    assert kubectl._api is not former
    assert former._transport._connections.pool.connections == []


def test_an_answer_that_is_waited_for_comes_though_the_client_is_closed(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    """Whoever found the lab's other certificates closes the client that others still use."""
    go_on, asked = threading.Event(), threading.Event()

    def held_up() -> None:
        asked.set()
        go_on.wait(soon.remaining)

    api.answer("GET /slow", Answer("slow", wait=held_up))
    client = kubectl._api
    said: list[str] = []
    waiting = threading.Thread(target=lambda: said.append(client.raw("/slow", soon)))
    waiting.start()
    assert asked.wait(soon.remaining)
    client.close()
    go_on.set()
    waiting.join(soon.remaining)
    assert said == ["slow"]


@slow
def test_a_silent_server_gets_no_more_than_one_new_connection_a_request(
    api: ApiServer,
    kubectl: Kubectl,
    soon: Deadline,
    hanging: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "KEPT_SECONDS", 0.2)
    api.answer(NODES, NONE, Answer(wait=hanging.wait))
    kubectl.items("nodes", deadline=soon)
    with pytest.raises(NOT_YET):
        kubectl.items("nodes", deadline=Deadline.after(1.0))
    assert api.connections <= 2


def test_an_answer_that_breaks_off_on_a_kept_connection_is_asked_for_again(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, NONE, Answer(NONE.body, breaks_off=True), NONE)
    kubectl.items("nodes", deadline=soon)
    assert kubectl.items("nodes", deadline=soon) == []
    assert api.connections == 2


def test_an_answer_that_breaks_off_on_a_new_connection_is_an_error(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, Answer(NONE.body, breaks_off=True))
    with pytest.raises(KubectlError):
        kubectl.items("nodes", deadline=soon)
    assert api.connections == 1


def test_a_server_that_is_started_again_on_its_port_is_asked_again(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, NONE)
    kubectl.items("nodes", deadline=soon)
    api.stop()
    with pytest.raises(KubectlError):
        kubectl.items("nodes", deadline=soon)
    api.start()
    assert kubectl.items("nodes", deadline=soon) == []
    assert api.connections == 2


def test_a_server_of_another_authority_is_told_nothing(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, NONE)
    api.stop()
    api.start(Authority.create("tests"))
    with pytest.raises(KubectlError) as refused:
        kubectl.items("nodes", deadline=soon)
    assert "certificate" in refused.value.message.lower()
    assert api.asked == []


def test_a_caller_of_another_authority_gets_no_answer(
    api: ApiServer, soon: Deadline, tmp_path: Path
) -> None:
    api.answer(NODES, NONE)
    stranger = Kubectl(tmp_path / "none", api.kubeconfig(Authority.create("tests")))
    with pytest.raises(KubectlError):
        stranger.items("nodes", deadline=soon)
    assert api.asked == []


def test_a_waiting_thread_does_not_lose_its_answer_to_anothers_dead_connection(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool that is given up is closed when the last who uses it has its answer."""
    monkeypatch.setattr(transport, "KEPT_SECONDS", 10.0)
    go_on, asked = threading.Event(), threading.Event()

    def held_up() -> None:
        asked.set()
        go_on.wait(soon.remaining)

    api.answer("GET /slow", Answer("slow", wait=held_up))
    api.answer(NODES, NONE, Answer(NONE.body, breaks_off=True), NONE)
    said: list[str] = []
    waiting = threading.Thread(target=lambda: said.append(kubectl.raw("/slow", soon)))
    waiting.start()
    assert asked.wait(soon.remaining)
    for _ in range(3):
        kubectl.items("nodes", deadline=soon)
    go_on.set()
    waiting.join(soon.remaining)
    assert said == ["slow"]
    assert sum(each.path == "/slow" for each in api.asked) == 1
