"""`kubectl auth can-i` at a real API server, as a node: the same as requests meet, or explained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.pki import CLUSTER, Pki
from edge_lab.probes.access_reviews import (
    EXPLAINED,
    OF_EVERYONE,
    CanI,
    disagreements,
    granted,
    listed,
    questions,
)
from edge_lab.probes.impersonation import trespasses
from edge_lab.probes.kubectl_as import kubectl_as
from edge_lab.stacks.identities import node_client_spec
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.openyurt import OpenYurt
from edge_lab.topology import Topology
from tests.keys import keys_made_once
from tests.probes.api_server import api_server, program

OWN, OTHER = "edge-arm", "edge-riscv"

needs_programs = pytest.mark.skipif(
    any(program(name) is None for name in ("kube-apiserver", "kine", "kubectl")),
    reason="the lab has built no kube-apiserver, kine and kubectl for this host yet",
)
runs_a_server = pytest.mark.slow(reason="runs a real API server")


@pytest.fixture(scope="module")
def ask(default_topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CanI]:
    pki = keys_made_once(tmp_path_factory.mktemp("pki") / "keys", default_topology)
    kubectl = program("kubectl")
    assert kubectl is not None
    with api_server(tmp_path_factory.mktemp("api"), pki) as server:
        limit = Deadline.scaled(240)
        with kubectl_as(kubectl, _config(pki, server.port), limit) as run:
            limit.wait_for(
                "RBAC's own roles are there",
                lambda: listed(run(("auth", "can-i", "--list"))) >= OF_EVERYONE,
                transient=(LabError,),
                watch=server.watch,
            )
            yield run


def _config(pki: Pki, port: int) -> str:
    authority = pki.authority(CLUSTER)
    return kubeconfig(
        f"https://127.0.0.1:{port}",
        ca_pem=authority.certificate_pem,
        identity=authority.issue(node_client_spec(OWN)),
    )


@needs_programs
@runs_a_server
def test_can_i_agrees_with_requests_but_for_what_is_explained(ask: CanI) -> None:
    found = disagreements(ask, OWN, OTHER)
    assert {disagreement.request for disagreement in found} == set(EXPLAINED)
    assert listed(ask(("auth", "can-i", "--list"))) == OF_EVERYONE


def test_each_request_about_another_node_has_its_question() -> None:
    assert list(questions(OWN, OTHER)) == [trespass.name for trespass in trespasses(OWN, OTHER)]


def test_what_a_node_may_all_of_a_sudden_is_not_explained() -> None:
    def yes(arguments: object) -> str:
        return "yes\n"

    found = {
        disagreement.request
        for disagreement in disagreements(yes, OWN, OTHER)
        if not disagreement.reason
    }
    assert {"list-secrets", "delete-node", "read-node"} <= found


@pytest.mark.parametrize("answer", ["", "perhaps\n", "error: no\n"])
def test_neither_yes_nor_no_is_no_answer(answer: str) -> None:
    with pytest.raises(LabError):
        disagreements(lambda _: answer, OWN, OTHER)


def test_another_table_is_no_list() -> None:
    for text in ("", "NAME  READY\n"):
        with pytest.raises(LabError):
            listed(text)
    row = "Resources   Non-Resource URLs   Resource Names   Verbs\n"
    assert listed(f"{row}secrets     []   []   [list]\n            [/api]   []   [get]\n") == {
        "secrets"
    }


def test_the_list_names_resources_with_their_group() -> None:
    assert granted(OpenYurt().node_rules()) == {
        "services",
        "endpoints",
        "endpointslices.discovery.k8s.io",
        "nodepools.apps.openyurt.io",
    }
