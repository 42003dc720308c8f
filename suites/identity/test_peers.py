"""Third-party tools agree with the probes on endpoints and nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.identity import was_let_in
from edge_lab.pki import CLUSTER
from edge_lab.probes.access_reviews import OF_EVERYONE, disagreements, granted, listed
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.differences import differences, unexplained
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks
from edge_lab.probes.forward import forwarded
from edge_lab.probes.impersonation import trespass_endpoints
from edge_lab.probes.kubectl_as import kubectl_as
from edge_lab.probes.sslyze import installed, scan
from edge_lab.stacks.base import GrantsNodes
from edge_lab.stacks.identities import node_client_spec
from edge_lab.stacks.kubeconfig import kubeconfig
from suites.identity.test_endpoints import READS_NODES, clients, reads_nodes

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("Third-party tools")]

SCAN_SECONDS, REVIEW_SECONDS = 900.0, 300.0


@allure.story("sslyze")
@allure.title("sslyze finds {probed_endpoint} as declared")
def test_sslyze_finds_what_is_declared(
    lab: Lab,
    probe: Prober,
    probed_endpoint: Endpoint,
    pytestconfig: pytest.Config,
    time_limit: TimeLimit,
) -> None:
    if probed_endpoint.speaks not in (Speaks.HTTPS, Speaks.TLS):
        pytest.skip("it speaks no TLS")
    program = installed(pytestconfig.rootpath)
    target = probe.target(probed_endpoint, clients(lab, probed_endpoint)[0])
    limit = time_limit(SCAN_SECONDS)
    with forwarded(target.dial, target.address, probed_endpoint.port, limit) as port:
        found = scan(program, port, limit, slow=True)
    shown = target.try_one(PROBES["right" if probed_endpoint.right else "none"]).server
    seen = differences(probed_endpoint, found, shown)
    allure.attach("\n".join(map(str, (found, *seen))), "sslyze", allure.attachment_type.TEXT)
    assert not unexplained(seen), "\n".join(map(str, seen))


@allure.story("kubectl auth can-i")
@allure.title("kubectl auth can-i agrees with the requests that {edge_node} has made")
def test_can_i_says_what_requests_have_found(
    lab: Lab, server: LabNode, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    own = edge_node.name
    other = [node.name for node in lab.topology.nodes if node.name != own][-1]
    (api,) = (
        endpoint for endpoint in probe.endpoints(server.name) if endpoint.name == "kube-apiserver"
    )
    met = {
        endpoint.name.rpartition("/")[2]: was_let_in(record)
        for endpoint in trespass_endpoints(api, own, other)
        for record in probe.try_all(endpoint, own)
    }
    authority = probe.authority(CLUSTER)
    target, limit = probe.target(api, own), time_limit(REVIEW_SECONDS)
    assert api.reach is Reach.WIRE
    with forwarded(target.dial, target.address, api.port, limit) as port:
        config = kubeconfig(
            f"https://127.0.0.1:{port}",
            ca_pem=authority.certificate_pem,
            identity=authority.issue(node_client_spec(own)),
        )
        with kubectl_as(lab.kubectl.binary, config, limit) as ask:
            found = disagreements(ask, own, other, met)
            resources = listed(ask(("auth", "can-i", "--list")))
    assert [str(judgement) for judgement in found if not judgement.reason] == []
    if not reads_nodes(lab, edge_node):
        runtime = lab.stack.runtime
        of_nodes = (
            granted(runtime.node_rules()) if isinstance(runtime, GrantsNodes) else frozenset()
        )
        assert resources == OF_EVERYONE | of_nodes
        assert not any(met[name.lstrip("/")] for name in READS_NODES)
