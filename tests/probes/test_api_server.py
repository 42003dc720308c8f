"""The whole probe set against a real kube-apiserver, by what the stack declares of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import CLUSTER, CertificateSpec, Pki
from edge_lab.probes.attempt import Attempt
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.engine import attempt
from edge_lab.probes.impersonation import trespass_endpoints
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import ProbeRecord
from edge_lab.probes.request import Request
from edge_lab.probes.run import Target
from edge_lab.stacks import get_stack
from edge_lab.stacks.identities import node_client_spec
from edge_lab.topology import Topology
from tests.keys import keys_made_once
from tests.probes.api_server import ApiServer, api_server, program

pytestmark = [
    pytest.mark.slow(reason="runs a real API server"),
    pytest.mark.skipif(
        program("kube-apiserver") is None or program("kine") is None,
        reason="the lab has built no kube-apiserver and kine for this host yet",
    ),
]

OWN, OTHER = "edge-arm", "edge-riscv"


@pytest.fixture(scope="module")
def pki(default_topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return keys_made_once(tmp_path_factory.mktemp("pki") / "keys", default_topology)


@pytest.fixture(scope="module")
def server(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api"), pki) as running:
        admin = pki.authority(CLUSTER).issue(CertificateSpec("admin", ("system:masters",)))

        def asked(request: Request) -> int:
            what = Attempt("api", "admin", "127.0.0.1", running.port, admin, request=request)
            record = attempt(what, SocketDial(), Deadline.scaled(20)).record
            return record.http.status if record.http else 0

        limit = Deadline.scaled(120)
        ready = Request("/readyz")
        watch = running.watch
        limit.wait_for("the API server is ready", lambda: asked(ready) == 200, watch=watch)
        namespace = Request("/api/v1/namespaces/default")
        limit.wait_for("namespaces are there", lambda: asked(namespace) == 200, watch=watch)
        for name in (OWN, OTHER):
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
            made = asked(Request("/api/v1/nodes", method="POST", body=json.dumps(node)))
            assert made == 201
        yield running


def endpoints(topology: Topology, server: ApiServer) -> dict[str, Endpoint]:
    declared = [
        endpoint
        for endpoint in get_stack("kubernetes+openyurt").endpoints(topology)
        if endpoint.name.startswith("kube-apiserver")
    ]
    all_of_it = (*declared, *trespass_endpoints(declared[0], OWN, OTHER))
    return {
        endpoint.id: replace(endpoint.as_client(OWN), port=server.port) for endpoint in all_of_it
    }


def probed(pki: Pki, there: dict[str, Endpoint]) -> list[ProbeRecord]:
    records: list[ProbeRecord] = []
    for endpoint in there.values():
        assert endpoint.right is not None
        mint = Mint(pki.authority(CLUSTER), endpoint.right, node_client_spec(OTHER))
        records += Target(endpoint, "127.0.0.1", SocketDial(OWN), mint).try_all()
    return records


def test_a_real_api_server_does_what_the_stack_declares(
    default_topology: Topology, pki: Pki, server: ApiServer
) -> None:
    there = endpoints(default_topology, server)
    records = probed(pki, there)
    verdict = judge_identity(OWN, "kubernetes+openyurt", records, there)
    assert verdict.passed, str(verdict)
    assert len(verdict.judged) > 40
    # The log names the certificate that was refused by the serial number in the record.
    expired = next(record for record in records if record.probe == "expired")
    assert f"SN={expired.serial}" in server.log.read_text(errors="replace")


def test_the_same_records_are_red_by_another_declaration(
    default_topology: Topology, pki: Pki, server: ApiServer
) -> None:
    """As an API server that should not let anonymous requests pass, nor its readiness be seen."""
    name = "server/kube-apiserver-readyz"
    there = {name: endpoints(default_topology, server)[name]}
    policy = endpoints(default_topology, server)["server/kube-apiserver"].policy.but(
        other_node=None
    )
    records = [
        record for record in probed(pki, there) if record.probe in ("none", "wrong-name", "right")
    ]
    strict = {name: replace(there[name], policy=policy)}
    verdict = judge_identity(OWN, "x", records, strict)
    found = {judgement.record.probe: judgement.finding for judgement in verdict.judged}
    assert found["right"] is Finding.PASS
    assert found["none"] is found["wrong-name"] is Finding.LET_IN


def test_no_secret_is_in_what_is_kept(
    default_topology: Topology, pki: Pki, server: ApiServer, tmp_path: Path
) -> None:
    from edge_lab.probes.secrets import leaks_in

    for number, record in enumerate(probed(pki, endpoints(default_topology, server))):
        (tmp_path / f"{number}.json").write_text(record.model_dump_json())
    assert leaks_in(tmp_path) == []
