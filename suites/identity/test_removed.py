"""A node that was taken out of the cluster may do nothing any more with the certificate it has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.probes.expected import Policy, let_in, status
from edge_lab.probes.request import Request
from edge_lab.stacks.identities import node_client_spec

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.probes.endpoint import Endpoint
    from edge_lab.probes.expected import Expected

pytestmark = [allure.parent_suite("Identity"), allure.feature("Removed nodes")]

NODE = "removed-node"
"""No machine: an object that is made and deleted, and a certificate of that name."""
REQUEST_SECONDS = 60.0


def its_pods(api: Endpoint, when: str, expected: Expected) -> Endpoint:
    """The API server, asked for the pods of that node under its own certificate."""
    path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}"
    return replace(
        api,
        name=f"{api.name}/pods-of-a-node-{when}",
        right=node_client_spec(NODE),
        request=Request(path, confidential=True),
        policy=Policy("a node's own affairs", {"right": expected}),
    )


@allure.story("Certificates")
@allure.title("The certificate of a node that was removed opens nothing, from {edge_node}")
@pytest.mark.scenario("node removed")
@pytest.mark.known_failure(
    tracker="https://github.com/kubernetes/kubernetes/issues/18982",
    seen="v1.34.4: no certificate can be revoked, and the Node authorizer goes by its name alone: "
    "whether such a node exists does not matter",
    look_again="2027-05-29",
)
def test_the_certificate_of_a_removed_node_opens_nothing(
    lab: Lab, server: LabNode, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    (api,) = (it for it in probe.endpoints(server.name) if it.name == "kube-apiserver")
    before = its_pods(api, "in-the-cluster", let_in(200))
    after = its_pods(api, "removed", status(401, 403))
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    try:
        lab.kubectl.apply(manifest, time_limit(REQUEST_SECONDS))
        verdict = probe.judge(edge_node.name, [before], probe.try_all(before, edge_node.name))
    finally:
        lab.kubectl.delete("node", NODE, deadline=time_limit(REQUEST_SECONDS))
    if not verdict.passed:  # as a failed assertion, it would be taken for the known one
        raise LabError(str(verdict))
    verdict = probe.judge(edge_node.name, [after], probe.try_all(after, edge_node.name))
    assert verdict.passed, str(verdict)
