"""What is reachable by ClusterIP and by name without faults; and what must not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.services.names import COREDNS_UNIT, KUBE_PROXY_UNIT
from edge_lab.cluster.addresses import API_SERVICE_IP
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Freeze
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from suites.pods import running_pods
from suites.services.clients import PATIENCE_SECONDS, Client, cluster_ip, full_name
from suites.services.conftest import SETTLE_SECONDS, applied
from suites.services.objects import (
    POD_PORT,
    PORT,
    TEMPORARY,
    WITHOUT_ENDPOINTS,
    listener,
    node_backend,
    pod_backend,
    service,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Services"),
    allure.feature("Reachability"),
    pytest.mark.needs("services"),
]

Clients = Callable[[str], Client]


@allure.title("A pod on {node} reaches pods of all nodes by the ClusterIP of a Service")
def test_pods_of_all_nodes_are_reached_by_cluster_ip(
    lab: Lab,
    node: LabNode,
    service_nodes: tuple[str, ...],
    client: Clients,
    time_limit: TimeLimit,
) -> None:
    for other in service_nodes:
        for backend in (pod_backend(other), node_backend(other)):
            found = client(node.name).now(cluster_ip(lab, backend, time_limit))
            assert found.ok, f"{backend}: {found}"
    # The same address has no listener on another port.
    wrong = client(node.name).now(f"{cluster_ip(lab, pod_backend(node.name), time_limit)}:81")
    assert wrong.refused, str(wrong)


@allure.title("A pod on {node} reaches pods of all nodes by the name of a Service")
def test_pods_of_all_nodes_are_reached_by_name(
    node: LabNode, service_nodes: tuple[str, ...], client: Clients
) -> None:
    for other in service_nodes:
        for name in (pod_backend(other), full_name(pod_backend(other))):
            found = client(node.name).now(name)
            assert found.ok, str(found)


@allure.title("A pod on {node} reaches itself by its own Service")
def test_a_pod_reaches_itself_by_its_service(
    lab: Lab, node: LabNode, service_nodes: tuple[str, ...], time_limit: TimeLimit
) -> None:
    address = cluster_ip(lab, pod_backend(node.name), time_limit)
    found = Client(lab, node.name, time_limit, pod=pod_backend(node.name)).now(address)
    assert found.ok, str(found)


@allure.title(
    "A process on {node} itself reaches Services, and the API server by the Service kubernetes"
)
def test_a_program_of_the_node_reaches_services(
    lab: Lab, node: LabNode, service_nodes: tuple[str, ...], time_limit: TimeLimit
) -> None:
    def reached(address: str, port: int) -> bool:
        connect = f"</dev/tcp/{address}/{port}"
        return node.succeeds(f"timeout {PATIENCE_SECONDS} bash -c '{connect}'")

    for other in service_nodes:
        assert reached(cluster_ip(lab, pod_backend(other), time_limit), PORT), other
    assert reached(str(API_SERVICE_IP), 443)
    assert not reached(cluster_ip(lab, WITHOUT_ENDPOINTS, time_limit), PORT)


@allure.title("On {node}, a Service without endpoints refuses connections at once")
def test_a_service_without_endpoints_refuses_at_once(node: LabNode, client: Clients) -> None:
    found = client(node.name).now(WITHOUT_ENDPOINTS)
    assert found.refused, str(found)
    assert found.seconds < PATIENCE_SECONDS


@allure.title(
    "On {node}, names that do not exist get NXDOMAIN, and the lab's own names are resolved"
)
def test_names_that_do_not_exist_are_denied(lab: Lab, node: LabNode, client: Clients) -> None:
    for name in ("nobody", full_name("nobody"), "example.org"):
        found = client(node.name).now(name)
        assert found.unknown, str(found)
    # A node's address refuses a port without a listener: so its name was resolved.
    known = client(node.name).now(f"{lab.topology.server.name}:9")
    assert known.refused, str(known)


@allure.title("On {node}, an endpoint whose pod is gone is removed")
def test_an_endpoint_that_is_gone_is_taken_out(
    lab: Lab, node: LabNode, client: Clients, time_limit: TimeLimit
) -> None:
    name = f"temporary-{node.name}"
    pod = listener(name, node.name, POD_PORT, app=TEMPORARY)
    with applied(lab, [service(name, name, POD_PORT)], time_limit):
        with running_pods(lab, [pod], TEMPORARY, time_limit):
            client(node.name).until_reached(name, SETTLE_SECONDS)
        client(node.name).until_refused(name, SETTLE_SECONDS)


# -- negative controls: the checks above fail without one of the parts ----------------------------


@allure.title("Without kube-proxy, a new Service is not reached from {node} (control)")
def test_without_kube_proxy_a_new_service_is_not_reached(
    lab: Lab, node: LabNode, client: Clients, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    name = f"new-{node.name}"
    objects = [service(name, pod_backend(node.name), POD_PORT)]
    with (
        faults.inflict(Freeze(node=node.name, service=KUBE_PROXY_UNIT)),
        applied(lab, objects, time_limit),
    ):
        eventually(
            "the name of the new Service resolves",
            lambda: not client(node.name).now(name).unknown,
            time_limit(SETTLE_SECONDS),
        )
        found = client(node.name).now(cluster_ip(lab, name, time_limit))
        assert not found.ok, str(found)
        # Existing Services still work: the rules are in the kernel.
        assert client(node.name).now(pod_backend(node.name)).ok
    with applied(lab, objects, time_limit):
        client(node.name).until_reached(name, SETTLE_SECONDS)


@allure.title("Without CoreDNS on {node}, addresses are reached there and names are not (control)")
def test_without_coredns_names_do_not_resolve(
    lab: Lab, node: LabNode, client: Clients, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    backend = pod_backend(node.name)
    address = cluster_ip(lab, backend, time_limit)
    with faults.inflict(Freeze(node=node.name, service=COREDNS_UNIT)):
        found = client(node.name).now(backend)
        assert not found.ok
        assert not found.unknown, "no answer is not NXDOMAIN"
        assert client(node.name).now(address).ok
    client(node.name).until_reached(backend, SETTLE_SECONDS)
