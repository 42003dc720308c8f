"""A node's certificate is given to that node, and to whoever shows a token that lets nodes join."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.bringup.readiness import cluster_access
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.joining import Joining
from edge_lab.probes.record import ProbeRecord
from edge_lab.stacks.base import LetsNodesJoin
from suites.known import KUBEEDGE_TRACKER

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.probes.endpoint import Endpoint

pytestmark = [allure.parent_suite("Identity"), allure.feature("Join")]

TOKEN_SECONDS = 60.0


def seen(what: str) -> pytest.MarkDecorator:
    """What cloudcore v1.23.1 does; docs/findings has it in full."""
    return pytest.mark.known_failure(
        runtime="kubeedge",
        tracker=KUBEEDGE_TRACKER,
        seen=f"v1.23.1: {what}; the tracker has no report of it",
        look_again="2027-05-29",
    )


@allure.story("Probes")
@allure.title("{edge_node} asks for a certificate: {asked_for}")
@pytest.mark.scenario("join")
@pytest.mark.parametrize(
    "asked_for",
    [
        "own-certificate",
        "in-another-name",
        pytest.param(
            "certificate-of-another-node",
            marks=seen("what is to be signed is not compared with who asks for it"),
        ),
        pytest.param(
            "certificate-of-the-cloud",
            marks=seen("a node chooses addresses and usages of its certificate"),
        ),
        pytest.param(
            "without-organization",
            marks=seen("a certificate without an organization ends its handler in a panic"),
        ),
        pytest.param("node-exists", marks=seen("anybody may ask which nodes there are")),
    ],
)
def test_a_certificate_is_given_to_whom_it_is_for(
    lab: Lab,
    server: LabNode,
    edge_node: LabNode,
    asked_for: str,
    probe: Prober,
    time_limit: TimeLimit,
) -> None:
    endpoint, joining = what_is_asked(lab, edge_node.name, asked_for, time_limit)
    records = list(tried(probe, endpoint, joining))
    verdict = probe.judge(edge_node.name, [endpoint], records)
    assert verdict.passed, str(verdict)


def what_is_asked(
    lab: Lab, node: str, asked_for: str, time_limit: TimeLimit
) -> tuple[Endpoint, Joining]:
    """Skips where nodes do not join by themselves."""
    runtime: object = lab.stack.runtime
    if not isinstance(runtime, LetsNodesJoin):
        raise MissingCapability(f"the lab gives nodes of {lab.stack_name} their certificates")
    others = [other.name for other in lab.topology.nodes if other.name != node]
    token = runtime.join_token(cluster_access(lab), time_limit(TOKEN_SECONDS))
    joining = Joining(lab.topology, node, others[-1], token)
    (found,) = (
        endpoint
        for endpoint in runtime.join_endpoints(joining)
        if endpoint.name.endswith(f"/{asked_for}")
    )
    return found, joining


def tried(probe: Prober, endpoint: Endpoint, joining: Joining) -> list[ProbeRecord]:
    """All that the endpoint's policy names, in the catalogue's order: a token is used twice."""
    target = probe.target(endpoint, joining.node)
    return [
        target.try_one(joining.probe(name)) for name in PROBES if name in endpoint.policy.expects
    ]
