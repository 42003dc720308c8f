"""Shared fixtures: the suite's pods and Services, from the first test to the last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from edge_lab.addons.services.names import SERVICES
from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from suites.pods import running_pods
from suites.services.clients import Client
from suites.services.objects import LABEL, node_backend, pod_backend, pods, services

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

SETTLE_SECONDS = 120.0
"""Seconds from the creation of a Service until every node's rules have it."""


def capable_nodes(lab: Lab) -> tuple[str, ...]:
    """The nodes whose pods reach Services, the server among them."""
    able = lab.platform.capabilities(lab.topology)
    return tuple(node.name for node in lab.topology.nodes if SERVICES in able[node.name])


def capable_edges(lab: Lab) -> tuple[str, ...]:
    """The edge nodes among them, at least one: a test without any would pass vacuously."""
    found = tuple(node for node in capable_nodes(lab) if node != lab.topology.server.name)
    if not found:
        raise MissingCapability(f"no edge node has {SERVICES!r}")
    return found


@contextlib.contextmanager
def applied(lab: Lab, objects: list[dict[str, Any]], time_limit: TimeLimit) -> Iterator[None]:
    """Creates these Services for the duration of the block."""
    lab.kubectl.apply(objects, time_limit(60))
    names = [manifest["metadata"]["name"] for manifest in objects]
    try:
        yield
    finally:
        lab.kubectl.delete("service", *names, "-n", NAMESPACE, deadline=time_limit(60))


@pytest.fixture(scope="package")
def service_nodes(lab: Lab, time_limit: TimeLimit) -> Iterator[tuple[str, ...]]:
    """The nodes that have Services, with all pods Ready and each node's rules up to date."""
    nodes = capable_nodes(lab)
    if not nodes:
        raise MissingCapability(f"no node has {SERVICES!r}: does the topology list the add-on?")
    with (
        running_pods(lab, pods(nodes), LABEL, time_limit),
        applied(lab, services(nodes), time_limit),
    ):
        for node in nodes:
            client = Client(lab, node, time_limit)
            for other in nodes:
                client.until_reached(pod_backend(other), SETTLE_SECONDS)
                client.until_reached(node_backend(other), SETTLE_SECONDS)
        yield nodes


@pytest.fixture
def client(
    lab: Lab, service_nodes: tuple[str, ...], time_limit: TimeLimit
) -> Callable[[str], Client]:
    """Returns the client pod of a node, by the node's name."""
    return lambda node: Client(lab, node, time_limit)
