"""Services and DNS on nodes whose cloud is unreachable, and after they boot without it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.deadline import Deadline
from edge_lab.core.step import step
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from suites.edges import is_ready, until_lost, uplink
from suites.pods import POD_SECONDS, running_pods
from suites.services.clients import Client, cluster_ip, full_name
from suites.services.conftest import SETTLE_SECONDS, applied, capable_edges
from suites.services.objects import (
    POD_PORT,
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
    allure.feature("Offline"),
    pytest.mark.needs("services"),
]

Clients = Callable[[str], Client]

PODS_BACK_SECONDS = 240.0
"""Seconds from the boot of an offline node until its pods answer: two pods and their network."""
BACK_SECONDS = 150.0
"""Seconds from the heal until the API server shows a node as Ready."""


@pytest.fixture
def offline(
    lab: Lab, service_nodes: tuple[str, ...], faults: FaultEngine, time_limit: TimeLimit
) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Cuts all edge nodes off while the block runs, then waits until they are Ready again."""

    @contextlib.contextmanager
    def cut() -> Iterator[None]:
        with faults.inflict_all([Cut(link=uplink(lab, node)) for node in capable_edges(lab)]):
            yield
        for node in capable_edges(lab):
            limit = time_limit(BACK_SECONDS)
            eventually(f"{node} is Ready", partial(is_ready, lab, node, time_limit), limit)

    return cut


def hold_until_lost(lab: Lab, time_limit: TimeLimit) -> None:
    """Waits until the API server has marked all edge nodes lost, with their endpoints."""
    with step("hold until the nodes are lost"):
        limit = Deadline.after(until_lost(lab) + time_limit(60).total)
        for node in capable_edges(lab):
            eventually(f"{node} is lost", partial(is_lost, lab, node, time_limit), limit)


def is_lost(lab: Lab, node: str, time_limit: TimeLimit) -> bool:
    return not is_ready(lab, node, time_limit)


@pytest.mark.scenario("Services while offline")
@allure.title("While offline, pods reach the Services of their own node by address and name")
def test_services_of_the_own_node_are_reached_without_the_cloud(
    lab: Lab,
    client: Clients,
    offline: Callable[[], contextlib.AbstractContextManager[None]],
    time_limit: TimeLimit,
) -> None:
    server = lab.topology.server.name
    addresses = {
        node: cluster_ip(lab, pod_backend(node), time_limit)
        for node in (*capable_edges(lab), server)
    }
    with offline():
        hold_until_lost(lab, time_limit)
        for node in capable_edges(lab):
            for target in (addresses[node], pod_backend(node), node_backend(node)):
                found = client(node).now(target)
                assert found.ok, f"on {node}: {found}"
            # Other names are resolved as well, but not reachable: the cut is effective.
            away = client(node).now(full_name(pod_backend(server)))
            assert not away.ok, f"on {node}: {away}"
            assert not away.unknown, f"on {node}: {away}"
            for target in (WITHOUT_ENDPOINTS, addresses[node] + ":81"):
                assert client(node).now(target).refused, f"on {node}: {target}"
            assert client(node).now("nobody").unknown
        # The cloud no longer routes to nodes that it has marked lost.
        for node in capable_edges(lab):
            client(server).until_refused(pod_backend(node), SETTLE_SECONDS)
    for node in capable_edges(lab):
        for other in addresses:
            client(node).until_reached(pod_backend(other), SETTLE_SECONDS)
        client(server).until_reached(pod_backend(node), SETTLE_SECONDS)


@pytest.mark.scenario("Service endpoint removed while offline")
@allure.title("An endpoint that was removed while its node was offline is gone after the heal")
def test_an_endpoint_removed_while_offline_is_gone_after_the_heal(
    lab: Lab,
    client: Clients,
    offline: Callable[[], contextlib.AbstractContextManager[None]],
    time_limit: TimeLimit,
) -> None:
    names = {node: f"removed-{node}" for node in capable_edges(lab)}
    manifests = [listener(name, node, POD_PORT, app=TEMPORARY) for node, name in names.items()]
    with (
        applied(lab, [service(name, name, POD_PORT) for name in names.values()], time_limit),
        running_pods(lab, manifests, TEMPORARY, time_limit),
    ):
        for node, name in names.items():
            client(node).until_reached(name, SETTLE_SECONDS)
        with offline():
            for name in names.values():
                lab.kubectl.delete(
                    "pod", name, "-n", NAMESPACE, deadline=time_limit(60), force=True
                )
            for node, name in names.items():
                found = client(node).now(name)
                assert found.ok, f"on {node}, which is offline: {found}"
        for node, name in names.items():
            client(node).until_refused(name, SETTLE_SECONDS)


@pytest.fixture
def rebooted(
    lab: Lab,
    faults: FaultEngine,
    offline: Callable[[], contextlib.AbstractContextManager[None]],
    client: Clients,
) -> Iterator[tuple[str, ...]]:
    """The edge nodes, reset while they are cut off, and cut off until the end of the test."""
    nodes = capable_edges(lab)
    with offline():
        with faults.inflict_all([Reboot(node=node) for node in nodes]):
            pass  # healed when they are up again
        yield nodes
    for node in nodes:
        for other in nodes:
            client(node).until_reached(pod_backend(other), POD_SECONDS)


@pytest.mark.scenario("Services and names of the node after a reboot while offline")
@pytest.mark.fails_without("offline-reboot")
@allure.title(
    "A node that reboots while offline resolves names, and reaches its own address by name"
)
def test_names_resolve_after_a_reboot_while_offline(
    rebooted: tuple[str, ...], client: Clients
) -> None:
    for node in rebooted:
        client(node).until_reached(node_backend(node), PODS_BACK_SECONDS)
        assert client(node).now(WITHOUT_ENDPOINTS).refused
        assert client(node).now("nobody").unknown


@pytest.mark.scenario("Services of pods after a reboot while offline")
@pytest.mark.fails_without("offline-reboot")
@pytest.mark.known_failure(
    runtime="openyurt",
    tracker="https://github.com/openyurtio/openyurt/issues/2810",
    seen="v1.7.0: pods get new addresses at a boot, and yurthub's cache of EndpointSlices keeps "
    "the old ones until the cloud is back",
    look_again="2027-05-27",
    # Addresses are assigned in the order in which pods start.
    by_chance=True,
)
@allure.title("A node that reboots while offline reaches its own pods by their Services")
def test_pods_are_reached_by_services_after_a_reboot_while_offline(
    rebooted: tuple[str, ...], client: Clients
) -> None:
    for node in rebooted:
        client(node).until_reached(node_backend(node), PODS_BACK_SECONDS)
        client(node).until_reached(pod_backend(node), PODS_BACK_SECONDS)
