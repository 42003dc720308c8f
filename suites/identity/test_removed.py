"""How long the certificate of a node that was removed from the cluster is still admitted, at each
endpoint that admits nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.identity import Finding, was_let_in
from edge_lab.probes.alerts import AlertNumber
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.expected import Outcome, Policy, alert, let_in, status
from edge_lab.stacks.identities import node_client_spec
from suites.identity.admission import Admissions, admissions

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.probes.endpoint import Endpoint
    from edge_lab.probes.expected import Expected

pytestmark = [allure.parent_suite("Identity"), allure.feature("Removed nodes")]

NODE = "removed-node"
"""Not a machine: a Node object that is created and deleted, and a certificate of that name."""
REQUEST_SECONDS = 60.0
WATCHED_SECONDS, EVERY_SECONDS = 90.0, 10.0

BY_TLS = alert(AlertNumber.BAD_CERTIFICATE, AlertNumber.CERTIFICATE_REVOKED, AlertNumber.UNKNOWN_CA)
BY_HTTP = status(401, 403)


def lets_nodes_in(endpoints: tuple[Endpoint, ...]) -> Iterator[Endpoint]:
    """The endpoints at which only a node's certificate is admitted, probed as that node."""
    for endpoint in endpoints:
        there = endpoint.as_client(NODE)
        expects = there.policy.expects
        if there.right != node_client_spec(NODE) or not {"right", "none"} <= set(expects):
            continue
        if expects["none"].outcome is not Outcome.LET_IN:
            yield there


def asked(endpoint: Endpoint, when: str, expected: Expected) -> Endpoint:
    """Probed only with the certificate of that node."""
    return replace(
        endpoint,
        name=f"{endpoint.name}/a-node-{when}",
        policy=Policy("a node's own objects", {"right": expected}),
    )


def afterwards(endpoint: Endpoint) -> Endpoint:
    """The expected result after the removal."""
    by_http = endpoint.request is not None
    return asked(endpoint, "removed", BY_HTTP if by_http else BY_TLS)


@allure.story("Certificates")
@allure.title("The certificate of a removed node is refused by all endpoints, from {edge_node}")
@pytest.mark.scenario("node removed")
@pytest.mark.known_failure(
    tracker="https://github.com/kubernetes/kubernetes/issues/18982",
    seen="v1.34.4: no certificate can be revoked, and the Node authorizer goes by its name alone: "
    "whether such a node exists does not matter",
    look_again="2027-05-29",
)
def test_the_certificate_of_a_removed_node_opens_nothing(
    lab: Lab, edge_node: LabNode, probe: Prober, measure: Measuring, time_limit: TimeLimit
) -> None:
    client = edge_node.name
    endpoints = list(lets_nodes_in(probe.endpoints(lab.topology.server.name)))
    before = [asked(endpoint, "in-the-cluster", let_in()) for endpoint in endpoints]
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    try:
        lab.kubectl.apply(manifest, time_limit(REQUEST_SECONDS))
        records = [record for endpoint in before for record in probe.try_all(endpoint, client)]
        verdict = probe.judge(client, before, records)
    finally:
        lab.kubectl.delete("node", NODE, deadline=time_limit(REQUEST_SECONDS))
    removed = time.monotonic()
    # As failed assertions, these would be mistaken for the known one.
    if not verdict.passed or not endpoints:
        raise LabError(str(verdict))
    after = [afterwards(endpoint) for endpoint in endpoints]
    red = [
        check.finding
        for endpoint, record in zip(after, records, strict=True)
        for check in probe.control(
            "a node that is not removed",
            endpoint,
            [record.model_copy(update={"endpoint": endpoint.id})],
        )
    ]
    if set(red) != {Finding.LET_IN}:
        raise LabError(f"a node that is in the cluster is not admitted: {red}")
    tries = {
        endpoint.id: partial(probe.target(endpoint, client).try_one, PROBES["right"])
        for endpoint in after
    }
    met = admissions(tries, time_limit(WATCHED_SECONDS), EVERY_SECONDS, removed)
    told(met, measure, client)
    verdict = probe.judge(client, after, met.last)
    assert verdict.passed, str(verdict)


def told(met: Admissions, measure: Measuring, client: str) -> None:
    """Attaches the series, and measures for each endpoint how long the node was admitted."""
    allure.attach(str(met), "admissions over time", allure.attachment_type.TEXT)
    for name, records in met.met.items():
        at, last = records[-1]
        measure(
            "removed node refused after",
            met.shut_after(name),
            unit="s",
            better="lower",
            node=client,
            label=name,
            reason=f"still admitted after {at:.0f} s" if was_let_in(last) else "",
        )
