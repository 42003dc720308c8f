"""What the lab asks of an API server, and what it makes of the answers."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from edge_lab.cluster.kubectl import NOT_YET, Kubectl, KubectlError, StatusError
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from tests.cluster.api_server import (
    NO_SUCH_PATH,
    NODES,
    NONE,
    TWO,
    Answer,
    ApiServer,
    not_found,
    status,
)

POD = "GET /api/v1/namespaces/default/pods/p"


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_a_list_has_its_items_with_their_kinds(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, TWO)
    found = kubectl.items("nodes", deadline=soon)
    assert names(found) == ["a", "b"]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "Node")}
    assert type(found[0]) is dict
    assert kubectl.get_json("nodes", deadline=soon)["items"] == found


def test_an_object_comes_as_it_is(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    pod = {"metadata": {"name": "p", "labels": None}, "spec": {"new in 1.99": [1, None]}}
    api.answer(POD, Answer(pod))
    assert kubectl.find("pod", "p", deadline=soon) == pod
    assert kubectl.get_json("pods", "p", "-n", "default", deadline=soon) == pod


def test_an_object_that_is_not_there_is_none(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(POD, not_found("p"))
    assert kubectl.find("pod", "p", deadline=soon) is None
    with pytest.raises(StatusError) as missing:
        kubectl.get_json("pod", "p", deadline=soon)
    assert missing.value.code == 404


@pytest.mark.parametrize("answer", [NO_SUCH_PATH, status(404, "NotFound")])
def test_a_kind_that_is_not_there_is_not_none(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, answer: Answer
) -> None:
    api.answer(POD, answer)
    with pytest.raises(KubectlError):
        kubectl.find("pod", "p", deadline=soon)


def test_selections_are_the_api_servers_to_make(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer("GET /api/v1/namespaces/edge-lab/pods", NONE)
    api.answer("GET /api/v1/pods", NONE)
    fields = "involvedObject.kind=Pod,involvedObject.name=x"
    kubectl.items("pods", "-n", "edge-lab", f"--field-selector={fields}", deadline=soon)
    kubectl.items("pods", "-A", "-l", "app=x", deadline=soon)
    first, second = (asked.query for asked in api.asked)
    assert first["fieldSelector"] == [fields]
    assert second["labelSelector"] == ["app=x"]


def test_a_list_in_parts_is_read_whole(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    part = {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}
    api.answer(NODES, Answer(part), Answer({"items": [{"metadata": {"name": "b"}}]}))
    assert names(kubectl.items("nodes", deadline=soon)) == ["a", "b"]
    assert api.asked[1].query["continue"] == ["more"]


def test_a_raw_answer_is_text(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    api.answer("GET /readyz", Answer("ok", headers={"Content-Type": "text/plain"}))
    assert kubectl.raw("/readyz", soon) == "ok"
    assert kubectl.raw("/readyz?after=3&node=x", soon) == "ok"
    assert api.asked[1].query == {"after": ["3"], "node": ["x"]}


@pytest.mark.parametrize("body", ["<html>", "", "[1]"])
def test_an_answer_that_is_no_object_is_a_lab_error(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, body: str
) -> None:
    api.answer(NODES, Answer(body))
    with pytest.raises(LabError) as trouble:
        kubectl.items("nodes", deadline=soon)
    assert not isinstance(trouble.value, NOT_YET)


def test_objects_are_applied_server_side_and_what_is_wrong_is_an_error(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    role = "PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/edge-lab:role"
    secret = "PATCH /api/v1/namespaces/edge-lab/secrets/s"
    api.answer(role, Answer({}))
    api.answer(secret, Answer({}))
    manifests: list[dict[str, Any]] = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "edge-lab:role"},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "edge-lab"},
            "data": {"a": "eQ=="},
        },
    ]
    kubectl.apply(manifests, soon)
    assert [asked.body for asked in api.asked] == manifests
    for asked in api.asked:
        assert asked.content_type == "application/apply-patch+yaml"
        assert asked.query == {
            "fieldManager": ["edge-lab"],
            "force": ["true"],
            "fieldValidation": ["Strict"],
        }


def test_yaml_is_applied_too(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    api.answer("PATCH /api/v1/namespaces/x", Answer({}))
    text = "---\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n"
    kubectl.apply(text, soon)
    assert [asked.body["kind"] for asked in api.asked] == ["Namespace"]


def test_one_object_that_is_not_taken_holds_up_no_other(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer("PATCH /api/v1/namespaces/a", status(500))
    api.answer("PATCH /api/v1/namespaces/b", Answer({}))
    both = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in "ab"]
    with pytest.raises(StatusError) as trouble:
        kubectl.apply(both, soon)
    assert trouble.value.code == 500
    assert len(api.asked) == 2


def test_a_patch_and_labels_are_merged(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    stored = {"metadata": {"name": "n", "generation": 2}}
    api.answer("PATCH /api/v1/nodes/n", Answer(stored))
    kubectl.label("node", "n", labels={"a/b": "", "c": "d"}, deadline=soon)
    patched = kubectl.patch("node", "n", patch={"spec": {"taints": None}}, deadline=soon)
    assert patched["metadata"] == stored["metadata"]
    assert [asked.body for asked in api.asked] == [
        {"metadata": {"labels": {"a/b": "", "c": "d"}}},
        {"spec": {"taints": None}},
    ]
    for asked in api.asked:
        assert asked.content_type == "application/merge-patch+json"
        assert "fieldValidation" not in asked.query


def test_a_deletion_is_requested_with_a_grace_period(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    pod = "/api/v1/namespaces/edge-lab/pods/p"
    api.answer(f"DELETE {pod}", Answer({}), not_found("p"))
    for _ in range(2):  # it may be gone already
        kubectl.request_deletion("pod", "p", "-n", "edge-lab", deadline=soon, grace_s=1)
    assert [(asked.method, asked.path) for asked in api.asked] == [("DELETE", pod)] * 2
    wanted = {"gracePeriodSeconds": ["1"], "propagationPolicy": ["Background"]}
    assert api.asked[0].query == wanted


def test_a_deletion_that_is_refused_is_an_error(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer("DELETE /api/v1/nodes/n", status(403, "Forbidden"))
    with pytest.raises(StatusError):
        kubectl.request_deletion("node", "n", deadline=soon)


def test_requests_for_certificates_are_decided(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

    def request(name: str, **status: Any) -> dict[str, Any]:
        spec = {"signerName": "s", "request": "eA==", "username": "u"}
        return {"metadata": {"name": name}, "spec": spec, "status": status}

    decided = request("old", conditions=[{"type": "Approved"}])
    api.answer(f"GET {requests}", Answer({"items": [request("new"), decided]}))
    assert [found.name for found in kubectl.pending_requests(soon)] == ["new"]
    api.answer(f"PATCH {requests}/new/approval", Answer({}))
    kubectl.approve_csr("new", soon)
    kubectl.deny_csr("new", soon)
    conditions = [asked.body["status"]["conditions"][0] for asked in api.asked[1:]]
    assert [(found["type"], found["status"]) for found in conditions] == [
        ("Approved", "True"),
        ("Denied", "True"),
    ]


GROUP = "GET /apis/example.com"
VERSION = "GET /apis/example.com/v2"
PREFERRED = Answer({"preferredVersion": {"groupVersion": "example.com/v2"}})
SERVED = Answer(
    {
        "resources": [
            {"name": "lamps", "kind": "Lamp", "namespaced": True},
            {"name": "lamps/status", "kind": "Lamp", "namespaced": True},
        ]
    }
)
LAMPS = "GET /apis/example.com/v2/namespaces/default/lamps"
LAMP = {"apiVersion": "example.com/v2", "kind": "Lamp", "metadata": {"name": "x"}}


def test_a_kind_that_comes_late_is_found_and_then_known(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(GROUP, NO_SUCH_PATH, PREFERRED)
    api.answer(VERSION, NO_SUCH_PATH, Answer({"resources": []}), SERVED)
    api.answer(LAMPS, TWO)
    for _ in range(3):
        with pytest.raises(KubectlError):
            kubectl.items("lamps.example.com", deadline=soon)
    assert names(kubectl.items("lamps.example.com", deadline=soon)) == ["a", "b"]
    before = len(api.asked)
    kubectl.items("lamps.example.com", deadline=soon)
    assert len(api.asked) == before + 1


def test_an_object_of_a_kind_that_comes_late_is_applied_when_it_is_there(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(VERSION, NO_SUCH_PATH, SERVED)
    api.answer("PATCH /apis/example.com/v2/namespaces/default/lamps/x", Answer({}))
    kubectl.apply_patiently("the lamp is there", [LAMP], soon)
    assert api.asked[-1].body == LAMP


def test_a_kind_that_is_gone_is_asked_for_again(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(GROUP, PREFERRED)
    api.answer(VERSION, SERVED)
    api.answer(LAMPS, NONE, NO_SUCH_PATH)
    kubectl.items("lamps.example.com", deadline=soon)
    with pytest.raises(StatusError):
        kubectl.items("lamps.example.com", deadline=soon)
    api.answer(GROUP, Answer({"preferredVersion": {"groupVersion": "example.com/v3"}}))
    api.answer("GET /apis/example.com/v3", SERVED)
    api.answer("GET /apis/example.com/v3/namespaces/default/lamps", TWO)
    assert len(kubectl.items("lamps.example.com", deadline=soon)) == 2


def test_a_kind_without_its_group_is_looked_for_in_all(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer("GET /api/v1", Answer({"resources": []}))
    api.answer("GET /apis", Answer({"groups": [PREFERRED.body]}))
    api.answer(VERSION, SERVED)
    api.answer(LAMPS, TWO)
    assert len(kubectl.items("lamp", deadline=soon)) == 2
    with pytest.raises(KubectlError):
        kubectl.items("lantern", deadline=soon)


@pytest.mark.parametrize("word", ["lamps", "lamps.example.com"])
def test_a_kind_that_only_another_version_has_is_found(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, word: str
) -> None:
    versions = [{"groupVersion": f"example.com/{version}"} for version in ("v3", "v2")]
    group = Answer({"preferredVersion": versions[0], "versions": versions})
    api.answer("GET /api/v1", Answer({"resources": []}))
    api.answer("GET /apis", Answer({"groups": [group.body]}))
    api.answer(GROUP, group)
    api.answer("GET /apis/example.com/v3", Answer({"resources": []}))
    api.answer(VERSION, SERVED)
    api.answer(LAMPS, TWO)
    assert len(kubectl.items(word, deadline=soon)) == 2


def test_two_threads_ask_at_once(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    both = threading.Barrier(2, timeout=20)
    api.answer(NODES, Answer(TWO.body, wait=both.wait))
    found: list[int] = []

    def ask() -> None:
        found.append(len(kubectl.items("nodes", deadline=soon)))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(soon.remaining)
    assert found == [2, 2]
    assert api.connections == 2


def test_another_kubeconfig_is_another_cluster(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    api.answer(NODES, NONE)
    kubectl.items("nodes", deadline=soon)
    kubectl.items("nodes", deadline=soon)
    assert api.connections == 1
    api.kubeconfig()
    kubectl.items("nodes", deadline=soon)
    assert api.connections == 2


@pytest.mark.parametrize("text", [None, "", "[]", "a: :", "clusters: [{}]", "{}"])
def test_a_kubeconfig_that_is_none_yet_is_waited_for(
    api: ApiServer, kubectl: Kubectl, soon: Deadline, text: str | None
) -> None:
    kubectl.kubeconfig.unlink()
    if text is not None:
        kubectl.kubeconfig.write_text(text)
    with pytest.raises(KubectlError):
        kubectl.items("nodes", deadline=soon)
    api.answer(NODES, NONE)
    api.kubeconfig()
    assert kubectl.items("nodes", deadline=soon) == []
