"""A node's certificate is issued only to that node, or to a client with a join token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.bringup.readiness import cluster_access
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.identity import Finding, was_let_in
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.joining import Joining
from edge_lab.probes.record import Ended, ProbeRecord, Step
from edge_lab.stacks.base import LetsNodesJoin
from suites.known import KUBEEDGE_TRACKER

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.oracles.identity import Judged
    from edge_lab.probes.endpoint import Endpoint

pytestmark = [allure.parent_suite("Identity"), allure.feature("Join")]

TOKEN_SECONDS = 60.0
OWN = "own-certificate"


def seen(what: str) -> pytest.MarkDecorator:
    """What cloudcore v1.23.1 does; docs/findings has it in full."""
    return pytest.mark.known_failure(
        runtime="kubeedge",
        tracker=KUBEEDGE_TRACKER,
        seen=f"v1.23.1: {what}; the tracker has no report of it",
        look_again="2027-05-29",
    )


NAMES = (
    "own-certificate",
    "in-another-name",
    "certificate-of-another-node",
    "certificate-of-the-cloud",
    "without-organization",
    "node-exists",
)
KNOWN = {
    "certificate-of-another-node": seen(
        "the request is not compared with the identity of the client"
    ),
    "certificate-of-the-cloud": seen("a node chooses addresses and usages of its certificate"),
    "without-organization": seen(
        "a certificate without an organization ends its handler in a panic"
    ),
    "node-exists": seen("any client may list the nodes"),
}


@allure.story("Probes")
@allure.title("{edge_node} requests a certificate: {asked_for}")
@pytest.mark.scenario("join")
@pytest.mark.parametrize(
    "asked_for",
    [pytest.param(name, marks=KNOWN.get(name, ())) for name in NAMES],
)
def test_a_certificate_is_given_to_whom_it_is_for(
    lab: Lab,
    server: LabNode,
    edge_node: LabNode,
    asked_for: str,
    probe: Prober,
    time_limit: TimeLimit,
) -> None:
    joining, endpoints = what_is_asked(lab, edge_node.name, time_limit)
    if asked_for not in endpoints:
        raise MissingCapability(f"{lab.stack_name} declares no {asked_for!r}")
    own = probe.target(endpoints[OWN], edge_node.name).try_one(PROBES["right"])
    if not was_let_in(own):
        raise LabError(f"it does not issue a node its own certificate: {own}")
    endpoint = endpoints[asked_for]
    verdict = probe.judge(edge_node.name, [endpoint], tried(probe, endpoint, joining))
    # As failed assertions, these would be mistaken for the known ones.
    if silent := [str(check) for check in verdict.judged if not has_decided(check)]:
        raise LabError("\n".join(silent))
    assert verdict.passed, str(verdict)


@allure.story("Probes")
@allure.title("All certificates that {edge_node} may request are tried")
def test_all_that_may_be_asked_for_is_tried(
    lab: Lab, edge_node: LabNode, time_limit: TimeLimit
) -> None:
    _, endpoints = what_is_asked(lab, edge_node.name, time_limit)
    assert endpoints
    assert set(endpoints) <= set(NAMES)


def has_decided(check: Judged) -> bool:
    """Whether the endpoint answered yes or no, or closed the connection after the request."""
    if check.finding is not Finding.NO_EVIDENCE:
        return True
    return check.record.ended is Ended.CLOSED and check.record.step is Step.ANSWER


def what_is_asked(
    lab: Lab, node: str, time_limit: TimeLimit
) -> tuple[Joining, dict[str, Endpoint]]:
    """The attempts by name; skips if nodes do not join by themselves."""
    runtime: object = lab.stack.runtime
    if not isinstance(runtime, LetsNodesJoin):
        raise MissingCapability(f"{lab.stack.runtime.name} declares no way for nodes to join")
    others = [other.name for other in lab.topology.nodes if other.name != node]
    token = runtime.join_token(cluster_access(lab), time_limit(TOKEN_SECONDS))
    joining = Joining(lab.topology, node, others[-1], token)
    found = {
        endpoint.name.rpartition("/")[2]: endpoint for endpoint in runtime.join_endpoints(joining)
    }
    return joining, found


def tried(probe: Prober, endpoint: Endpoint, joining: Joining) -> list[ProbeRecord]:
    """All probes of the endpoint's policy, in the catalogue's order: a token is used twice."""
    target = probe.target(endpoint, joining.node)
    return [
        target.try_one(joining.probe(name)) for name in PROBES if name in endpoint.policy.expects
    ]
