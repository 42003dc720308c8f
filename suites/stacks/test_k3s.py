"""K3s: its units, verified by the guests' systemd, and, if there is a binary, K3s itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.artifacts import ArtifactStore, Availability, Want
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.stacks.k3s_node import K3S, PROGRAM, K3sNode
from suites.edges import is_ready
from suites.stacks.units import complaints

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Stacks"), allure.feature("K3s")]

ROLES = {"server": "k3s", "agent": "k3s-agent"}
READY_SECONDS = 120.0


# -- without a binary ----------------------------------------------------------------------


@allure.story("Units")
@allure.title("systemd of {node} accepts the unit of a K3s {role}")
@pytest.mark.parametrize("role", list(ROLES))
def test_systemd_of_each_node_accepts_the_unit(node: LabNode, role: str) -> None:
    service = K3sNode(node.spec, role, ROLES[role]).service({"GOMEMLIMIT": "400MiB"})
    assert complaints(node, service.unit, service.render(), PROGRAM) == ""
    # The same check must be able to fail.
    broken = re.sub("(?m)^Type=.*$", "Type=nothing", service.render())
    assert "nothing" in complaints(node, service.unit, broken, PROGRAM)


# -- with one ------------------------------------------------------------------------------


@pytest.fixture
def k3s_lab(lab: Lab) -> Lab:
    """The lab, if K3s is its control plane."""
    if lab.stack_name.startswith("k3s+"):
        return lab
    want = Want(K3S, lab.topology.server.arch)
    (row,) = ArtifactStore.default().state([want])
    # Without network access: whether a release page is reachable is not known here.
    at_hand = row.state is Availability.CACHED or row.source.startswith("mirror ")
    if not at_hand:
        raise MissingCapability("needs the k3s artifact (`lab doctor` says where it may come from)")
    raise MissingCapability(f"this lab runs {lab.stack_name}; --lab-stack=k3s+k3s brings up K3s")


@allure.story("Cluster")
@allure.title("The API server admits the lab's admin, and is K3s")
def test_the_api_server_is_k3s_and_trusts_the_labs_certificates(
    k3s_lab: Lab, time_limit: TimeLimit
) -> None:
    # kubectl trusts only the lab's authority, and presents a certificate of it.
    assert "+k3s" in k3s_lab.kubectl.raw("/version", time_limit(60))


@allure.story("Cluster")
@allure.title("{node} is Ready on K3s")
def test_each_node_is_ready_on_k3s(k3s_lab: Lab, node: LabNode, time_limit: TimeLimit) -> None:
    eventually(
        f"{node.name} is Ready",
        lambda: is_ready(k3s_lab, node.name, time_limit),
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )


@allure.story("Cluster")
@allure.title("K3s deploys no components of its own")
def test_k3s_deploys_nothing_that_was_not_asked_for(k3s_lab: Lab, time_limit: TimeLimit) -> None:
    pods = k3s_lab.kubectl.items("pods", "-n", "kube-system", deadline=time_limit(60))
    assert [pod["metadata"]["name"] for pod in pods] == []
